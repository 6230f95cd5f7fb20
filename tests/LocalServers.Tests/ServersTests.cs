using Npgsql;

namespace LocalServers.Tests;

public sealed class ServersTests
{
    [Fact]
    public async Task Every_test_class_gets_a_database_and_a_virtual_host_of_its_own()
    {
        var (first, second) = (await Servers.CreateDatabaseAsync(), await Servers.CreateDatabaseAsync());
        Assert.NotEqual(first.Name, second.Name);

        var addresses = new HashSet<Uri>();
        for (var i = 0; i < 10; i++) Assert.True(addresses.Add(await Servers.CreateVirtualHostAsync()));
        Assert.All(addresses, address => Assert.StartsWith("/test_", address.AbsolutePath, StringComparison.Ordinal));
    }

    [Fact]
    public async Task Databases_with_the_same_tables_are_copies_of_one_and_share_nothing_else()
    {
        var copies = await Task.WhenAll(Enumerable.Range(0, 3).Select(_ => Servers.CreateDatabaseAsync(Shelf)));
        Assert.Equal(3, copies.Select(c => c.Name).Distinct().Count());
        foreach (var copy in copies) Assert.Equal(1L, await Ask(copy, "insert into usage.shelf values ('jam'); select count(*) from usage.shelf"));
        Assert.Equal(1, _shelves);
    }

    private static int _shelves;

    private static async Task Shelf(ServiceDatabase database)
    {
        Interlocked.Increment(ref _shelves);
        await Ask(database, "create table usage.shelf (jar text)");
    }

    // By a pool, which keeps its connection open after this.
    private static async Task<object?> Ask(ServiceDatabase database, string sql)
    {
        await using var connection = new NpgsqlConnection(database.ConnectionString("usage"));
        await connection.OpenAsync();
        await using var command = new NpgsqlCommand(sql, connection);
        return await command.ExecuteScalarAsync();
    }

    [Fact]
    public void A_missing_server_is_one_line_with_the_command_that_installs_it() =>
        Assert.Matches("^PostgreSQL is not installed on this machine; install it with: .* install .*postgresql.*$", ServerUnavailableException.Missing("PostgreSQL", "postgresql", "postgresql@17").Message);

    [Fact]
    public void A_link_to_a_program_that_was_removed_is_no_program()
    {
        var folder = Directory.CreateTempSubdirectory();
        try
        {
            var (program, link) = (Path.Combine(folder.FullName, "initdb-15"), Path.Combine(folder.FullName, "initdb"));
            Assert.False(Processes.IsThere(link));
            File.WriteAllText(program, "");
            File.CreateSymbolicLink(link, program);
            Assert.True(Processes.IsThere(program) && Processes.IsThere(link));
            File.Delete(program);
            Assert.False(Processes.IsThere(link));
        }
        finally
        {
            folder.Delete(recursive: true);
        }
    }
}
