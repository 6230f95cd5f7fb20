namespace LocalServers.Tests;

public sealed class ServerFolderTests
{
    [Fact]
    public async Task A_root_that_the_database_user_cannot_reach_is_replaced_by_one_it_can_and_that_is_said()
    {
        var closed = Closed("billing-closed-");
        try
        {
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
    public async Task A_replacement_that_a_strict_umask_has_closed_is_opened_for_the_database_user()
    {
        // As under umask 077; whoever is not root needs no replacement.
        var (closed, temporary) = (Closed("billing-closed-"), Directory.CreateTempSubdirectory("billing-open-").FullName);
        Processes.SetMode(temporary, (UnixFileMode)0b111_101_101);
        var replacement = Directory.CreateDirectory(Path.Combine(temporary, $"billing-servers-{Environment.UserName}")).FullName;
        Processes.SetMode(replacement, OnlyUs);
        try
        {
            await using var folder = await ServerFolder.CreateAsync(Path.Combine(closed, "servers"), temporary, null);
            await using var postgres = await PrivatePostgres.StartAsync(folder);
            Assert.Equal(Processes.IsRoot, folder.Path.StartsWith(replacement, StringComparison.Ordinal));
        }
        finally
        {
            Directory.Delete(closed, recursive: true);
            Directory.Delete(temporary, recursive: true);
        }
    }

    [Fact]
    public async Task A_folder_that_another_user_may_have_made_is_refused()
    {
        var everybodys = Directory.CreateTempSubdirectory("billing-everybodys-").FullName;
        Processes.SetMode(everybodys, (UnixFileMode)0b111_111_111);
        var (theirs, link, open) = (Path.Combine(everybodys, "theirs"), Path.Combine(everybodys, "link"), Path.Combine(everybodys, "open"));
        try
        {
            Directory.CreateSymbolicLink(link, Directory.CreateDirectory(Path.Combine(everybodys, "target")).FullName);
            Directory.CreateDirectory(open);
            Processes.SetMode(open, (UnixFileMode)0b111_111_111);
            Directory.CreateDirectory(theirs);
            // Only root can give a folder away.
            string[] refused = Processes.IsRoot && (await Processes.RunAsync("chown", ["nobody", theirs])).Exit == 0 ? [link, open, theirs] : [link, open];
            foreach (var path in refused)
                Assert.Contains("is another user's", (await Assert.ThrowsAsync<ServerUnavailableException>(() => ServerFolder.CreateAsync(path))).Message, StringComparison.Ordinal);
            await using var ours = await ServerFolder.CreateAsync(Path.Combine(everybodys, "ours"));
        }
        finally
        {
            Directory.Delete(everybodys, recursive: true);
        }
    }

    private const UnixFileMode OnlyUs = UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute;

    private static string Closed(string prefix)
    {
        var closed = Directory.CreateTempSubdirectory(prefix).FullName;
        Processes.SetMode(closed, OnlyUs);
        return closed;
    }

    [Fact]
    public void Free_ports_are_different_ones() => Assert.Equal(20, Ports.Free(20).Distinct().Count());
}
