using System.Diagnostics;

namespace LocalServers.Tests;

/// <summary>The test runner is started as a process of its own, with servers of its own, and killed as hard as a process can be.</summary>
public sealed class When_the_owner_is_killed : IDisposable
{
    private readonly string _temporary = Directory.CreateTempSubdirectory("billing-killed-").FullName;

    public When_the_owner_is_killed() =>
        Processes.SetMode(_temporary, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute | UnixFileMode.GroupExecute | UnixFileMode.OtherExecute);

    public void Dispose() => Directory.Delete(_temporary, recursive: true);

    [Fact]
    public async Task No_server_and_no_folder_outlives_it()
    {
        using var owner = await StartOwnerAsync();
        var (folder, servers) = FindRun();
        Assert.All(servers, server => Assert.True(Processes.IsAlive(server)));

        owner.Kill();

        await Eventually.True(() => !servers.Any(Processes.IsAlive), "PostgreSQL, RabbitMQ and its port mapper end with the process that started them");
        await Eventually.True(() => !Directory.Exists(folder), "the watchdog deletes the folder");
    }

    [Fact]
    public async Task And_its_watchdog_too_then_the_next_start_sweeps_what_is_left()
    {
        using var owner = await StartOwnerAsync();
        var (folder, servers) = FindRun();
        await ServerFolder.SweepAsync(Path.GetDirectoryName(folder)!);
        Assert.All(servers, server => Assert.True(Processes.IsAlive(server), "a living owner's servers are left alone"));

        var (_, table) = await Processes.RunAsync("ps", ["-axww", "-o", "pid=,command="]);
        var watchdog = Assert.Single(table.Split('\n'), line => line.Contains("billing-watchdog", StringComparison.Ordinal) && line.Contains(folder, StringComparison.Ordinal));
        Processes.Signal(int.Parse(watchdog.Trim().Split(' ')[0]), Processes.SigKill);
        owner.Kill();
        await owner.WaitForExitAsync();
        Assert.All(servers, server => Assert.True(Processes.IsAlive(server)));

        await Eventually.True(async () =>
        {
            await ServerFolder.SweepAsync(Path.GetDirectoryName(folder)!);
            return !Directory.Exists(folder);
        }, "a sweep ends what a dead owner left");
        await Eventually.True(() => !servers.Any(Processes.IsAlive), "no swept server lives on");
    }

    private async Task<Process> StartOwnerAsync()
    {
        var start = new ProcessStartInfo("dotnet", [Path.Combine(AppContext.BaseDirectory, "Testing.dll"), "sh", "-c", "echo started; cat"])
        {
            RedirectStandardInput = true, RedirectStandardOutput = true,
        };
        start.Environment["TMPDIR"] = _temporary;
        // These tests are about installed binaries; an image that nobody has keeps containers out.
        start.Environment["POSTGRES_IMAGE"] = "localhost/none:none";
        var owner = Process.Start(start)!;
        Assert.Equal("started", await owner.StandardOutput.ReadLineAsync());
        return owner;
    }

    private (string Folder, int[] Servers) FindRun()
    {
        var folder = Assert.Single(Directory.GetDirectories(_temporary, "run-*", SearchOption.AllDirectories));
        return (folder, [.. File.ReadAllLines(Path.Combine(folder, "pids")).Select(int.Parse)]);
    }
}
