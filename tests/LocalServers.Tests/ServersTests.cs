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
    public void A_missing_server_is_one_line_with_the_command_that_installs_it() =>
        Assert.Matches("^PostgreSQL is not installed on this machine; install it with: .* install .*postgresql.*$", ServerUnavailableException.Missing("PostgreSQL", "postgresql", "postgresql@17").Message);
}
