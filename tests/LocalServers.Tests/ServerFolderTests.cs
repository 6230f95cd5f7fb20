namespace LocalServers.Tests;

public sealed class ServerFolderTests
{
    [Fact]
    public async Task A_root_that_the_database_user_cannot_reach_is_replaced_by_one_it_can_and_that_is_said()
    {
        var closed = Directory.CreateTempSubdirectory("billing-closed-").FullName;
        try
        {
            Processes.SetMode(closed, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
            var said = new List<string>();
            await using var folder = await ServerFolder.CreateAsync(Path.Combine(closed, "servers"), said.Add);
            await using var postgres = await PrivatePostgres.StartAsync(folder);

            // Whoever is not root runs the server as himself, and reaches his own folders.
            if (Processes.IsRoot) Assert.Contains("cannot reach", Assert.Single(said), StringComparison.Ordinal);
            else Assert.Empty(said);
            Assert.Equal(!Processes.IsRoot, folder.Path.StartsWith(closed, StringComparison.Ordinal));
        }
        finally
        {
            Directory.Delete(closed, recursive: true);
        }
    }

    [Fact]
    public void Free_ports_are_different_ones() => Assert.Equal(20, Ports.Free(20).Distinct().Count());
}
