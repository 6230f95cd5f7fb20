using Marten;
using Npgsql;
using Weasel.Postgresql.Tables;

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

    /// <summary>Services may be replaced in any order, one at a time: an older instance starts again beside newer ones.</summary>
    [Fact]
    public async Task An_older_program_changes_nothing_of_the_schema_that_a_newer_one_made()
    {
        await Apply(Shelves(labelled: false));
        var newer = await Apply(Shelves(labelled: true), version: 2);
        await Sql("insert into billing.shelf (number, label) values (1, 'plums')");

        Assert.Equal(newer, await Apply(Shelves(labelled: false)));
        Assert.Equal("plums", await Sql("select label from billing.shelf"));
        Assert.Equal(1L, await Sql("select count(*) from pg_indexes where indexname = 'shelf_label'"));
        Assert.Equal(newer, await Apply(Shelves(labelled: true), version: 2));

        // What it does not know of goes on being looked after by whoever does.
        await Sql("drop index billing.shelf_label");
        await Apply(Shelves(labelled: false));
        Assert.Equal(0L, await Sql("select count(*) from pg_indexes where indexname = 'shelf_label'"));
        await Apply(Shelves(labelled: true), version: 2);
        Assert.Equal(1L, await Sql("select count(*) from pg_indexes where indexname = 'shelf_label'"));
    }

    [Fact]
    public async Task An_older_service_runs_on_the_schema_that_a_newer_one_made()
    {
        await Apply(Shelves(labelled: true), version: 2);
        await using var host = await TestHost.StartAsync(_database.ConnectionString("billing"), (await Servers.CreateVirtualHostAsync()).OriginalString, store: Shelves(labelled: false));
        await host.IsReadyAsync();
        Assert.Equal("a", (await host.Jars.RetireMenuAsync(new() { MenuId = "jar", Reason = "a" })).Name);
        Assert.Equal(0L, await Sql("select count(label) from billing.shelf"));
    }

    [Fact]
    public async Task A_schema_from_before_versions_is_taken_for_the_oldest()
    {
        var first = await Apply();
        await Sql("alter table billing.applied_schema drop column version");
        Assert.NotEqual(first, await Apply());
        Assert.Equal(1, await Sql("select version from billing.applied_schema"));
    }

    /// <summary>A change takes as long as it takes, whatever the connection string says of other commands; but it does not stand in a queue before a table, for all who need the table would stand behind it.</summary>
    [Fact]
    public async Task A_change_that_finds_its_table_in_use_gives_way_and_comes_again()
    {
        await Apply(Shelves(labelled: false));
        await using var reader = new NpgsqlConnection(_database.SuperuserConnectionString);
        await reader.OpenAsync();
        await using (var hold = new NpgsqlCommand("begin; lock table billing.shelf in access share mode", reader)) await hold.ExecuteNonQueryAsync();
        var changing = Apply(Shelves(labelled: true), version: 2, "Command Timeout=1");
        var came = new HashSet<object>();
        await Eventually.True(async () =>
        {
            if (await Sql("select virtualtransaction from pg_locks where relation = 'billing.shelf'::regclass and not granted") is { } waiting) came.Add(waiting);
            return came.Count >= 2 || changing.IsCompleted;
        }, "it has given way once");
        await using (var release = new NpgsqlCommand("commit", reader)) await release.ExecuteNonQueryAsync();
        await changing;
        Assert.Equal(0L, await Sql("select count(label) from billing.shelf"));
    }

    private static Action<StoreOptions> Shelves(bool labelled) => options =>
    {
        var shelf = new Table($"{Schema}.shelf");
        shelf.AddColumn<int>("number").AsPrimaryKey();
        if (labelled) shelf.AddColumn<string>("label").AddIndex(index => index.Name = "shelf_label");
        options.Storage.ExtendedSchemaObjects.Add(shelf);
    };

    public sealed record Jam(string Id);

    /// <returns>which transaction last wrote down that it had compared the schema</returns>
    private async Task<string> Apply(Action<StoreOptions>? more = null, int version = 1, string settings = "")
    {
        await (await EventStore.OpenAsync(Schema, version, $"{_database.ConnectionString("billing")};{settings}", options =>
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
