namespace LocalServers.Tests;

public sealed class PrivateRabbitMqTests
{
    [Fact]
    public async Task A_killed_node_comes_back_on_its_port_with_its_virtual_hosts_and_nothing_outlives_it()
    {
        var folder = await ServerFolder.CreateAsync(Path.Combine(Path.GetTempPath(), "billing-local-servers-tests"));
        int[] processes;
        await using (folder)
        {
            await using var rabbitMq = await PrivateRabbitMq.StartAsync(folder);
            var port = rabbitMq.Port;
            await rabbitMq.CreateVirtualHostsAsync(["first", "second"]);

            rabbitMq.Kill();
            await rabbitMq.RestartAsync();

            Assert.Equal(port, rabbitMq.Port);
            var (_, hosts) = await Processes.RunAsync(rabbitMq.ControlScript, ["list_vhosts", "--silent"]);
            Assert.Equal(["/", "first", "second"], hosts.Split('\n', StringSplitOptions.RemoveEmptyEntries).Where(line => line != "name").Order(StringComparer.Ordinal));
            processes = [.. File.ReadAllLines(Path.Combine(folder.Path, "pids")).Select(int.Parse)];
        }
        Assert.NotEmpty(processes);
        Assert.All(processes, process => Assert.False(Processes.IsAlive(process)));
        Assert.False(Directory.Exists(folder.Path));
    }
}
