using Marten;
using Npgsql;

namespace Hosting.Tests;

/// <summary>When the schema is compared with what it should be, and when it is left alone.</summary>
public sealed class EventSchemaTests : IAsyncLifetime
{
    private const string Schema = "billing";
    private LocalServers.ServiceDatabase _database = null!;

    public async Task InitializeAsync() => _database = await Servers.CreateDatabaseAsync();

    public Task DisposeAsync() => Servers.DropAsync(_database);

    [Fact]
    public async Task A_schema_is_compared_once_and_again_when_it_or_the_code_changed()
    {
        var first = await Apply();
        Assert.Equal(first, await Apply());
        // What is none of the store's business changes nothing: keys, for one, have a table of their own in the schema.
        await Sql("create table billing.notes (n int)");
        Assert.Equal(first, await Apply());

        // By hand: a table is gone, an index is, a column more is wanted by newer code.
        await Sql("drop table billing.mt_doc_idempotentcall");
        var restored = await Apply();
        Assert.NotEqual(first, restored);
        Assert.Equal(0L, await Sql("select count(*) from billing.mt_doc_idempotentcall"));
        await Sql("alter table billing.mt_streams drop column is_archived");
        var mended = await Apply();
        Assert.NotEqual(restored, mended);
        Assert.Equal(0L, await Sql("select count(is_archived) from billing.mt_streams"));

        var newer = await Apply(options => options.Schema.For<Jam>());
        Assert.NotEqual(mended, newer);
        Assert.Equal(0L, await Sql("select count(*) from billing.mt_doc_eventschematests_jam"));
        Assert.Equal(newer, await Apply(options => options.Schema.For<Jam>()));
    }

    [Fact]
    public async Task Instances_that_start_at_once_end_with_one_schema()
    {
        await Task.WhenAll(Enumerable.Range(0, 4).Select(_ => Apply()));
        Assert.Equal(1L, await Sql("select count(*) from billing.applied_schema"));
        var settled = await Apply();
        Assert.Equal(settled, await Apply());
    }

    public sealed record Jam(string Id);

    /// <returns>which transaction last wrote down that it had compared the schema</returns>
    private async Task<string> Apply(Action<StoreOptions>? more = null)
    {
        await (await EventStore.OpenAsync(Schema, _database.ConnectionString("billing"), options =>
        {
            options.Events.AddEventType<CoinDropped>();
            more?.Invoke(options);
        })).DisposeAsync();
        return (string)(await Sql("select max(xmin::text) from billing.applied_schema"))!;
    }

    private async Task<object?> Sql(string sql)
    {
        await using var connection = new NpgsqlConnection(_database.SuperuserConnectionString);
        await connection.OpenAsync();
        await using var command = new NpgsqlCommand(sql, connection);
        return await command.ExecuteScalarAsync();
    }
}
