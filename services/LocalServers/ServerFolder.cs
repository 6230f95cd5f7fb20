using System.Diagnostics;
using System.Security.Cryptography;

namespace LocalServers;

/// <summary>
/// The folder of one run: what private servers write, and the list of what must end with us. Disposing it ends them and deletes it.
/// A watchdog does the same when our process ends in any other way, kill -9 included; what even that missed is swept at the next start.
/// </summary>
public sealed class ServerFolder : IAsyncDisposable
{
    /// <summary>How long a server may take to end after SIGQUIT, which asks for the fastest stop, before SIGKILL.</summary>
    private static readonly TimeSpan StopPatience = TimeSpan.FromSeconds(3);

    // It reads from a pipe whose other end only we hold: the kernel closes it when we end, however that happens. It then does in shell
    // what EndAsync does here, and touches only processes that belong to the folder: an id may have been given to somebody else.
    private const string WatchdogScript = """
        trap '' INT TERM HUP QUIT
        folder=$1; name=${folder##*/}
        while read -r _; do :; done
        belongs() { case "$(ps -ww -o command= -p "$1" 2>/dev/null) $(readlink "/proc/$1/cwd" 2>/dev/null)" in *"$name"*) ;; *) return 1 ;; esac; }
        [ -d "$folder" ] || exit 0
        [ ! -f "$folder/containers" ] || docker rm -f -v $(cat "$folder/containers")
        touch "$folder/pids"
        for pid in $(cat "$folder/pids"); do belongs "$pid" && kill -QUIT "$pid"; done
        for _ in $(seq 30); do
          left=; for pid in $(cat "$folder/pids"); do belongs "$pid" && left=$pid; done
          [ -n "$left" ] || break; sleep 0.1
        done
        for pid in $(cat "$folder/pids"); do belongs "$pid" && kill -KILL "$pid"; done
        rm -rf "$folder"
        """;

    private readonly Lock _gate = new();
    private readonly FileStream _owner;
    private readonly Process _watchdog;

    private ServerFolder(string path, FileStream owner)
    {
        (Path, _owner) = (path, owner);
        string[] shell = ["/bin/sh", "-c", "exec >/dev/null 2>&1; " + WatchdogScript, "billing-watchdog", path];
        string[] all = Processes.Find("setsid") is { } setsid ? [setsid, .. shell] : shell;
        _watchdog = Process.Start(new ProcessStartInfo(all[0], all.Skip(1)) { RedirectStandardInput = true, WorkingDirectory = "/" })!;
    }

    public string Path { get; }

    /// <summary>
    /// A new folder under the root, after ending what dead owners left there. When we are root and the database's user cannot reach the root
    /// (a checkout under /root, say), the folder lies under the system's temporary folder instead, and <paramref name="say"/> is told so.
    /// </summary>
    /// <exception cref="ServerUnavailableException">The folder is another user's where everybody may write, or there is none that the database's user can reach.</exception>
    public static Task<ServerFolder> CreateAsync(string root, Action<string>? say = null, CancellationToken cancel = default) => CreateAsync(root, System.IO.Path.GetTempPath(), say, cancel);

    internal static async Task<ServerFolder> CreateAsync(string root, string temporary, Action<string>? say, CancellationToken cancel = default)
    {
        root = System.IO.Path.GetFullPath(root);
        Directory.CreateDirectory(root);
        await RefuseAnothersAsync(root, cancel);
        if (!await ReachableAsync(root, cancel))
        {
            var instead = Directory.CreateDirectory(System.IO.Path.Combine(temporary, $"billing-servers-{Environment.UserName}")).FullName;
            await RefuseAnothersAsync(instead, cancel);
            // Whatever our umask makes of a new folder, the database's user must get through this one.
            Processes.SetMode(instead, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute | UnixFileMode.GroupExecute | UnixFileMode.OtherExecute);
            if (!await ReachableAsync(instead, cancel))
                throw new ServerUnavailableException($"user {PrivatePostgres.User} can reach neither {root} nor {instead}; set TMPDIR to a folder it can enter");
            say?.Invoke($"user {PrivatePostgres.User} cannot reach {root}; the private servers write to {instead} instead");
            root = instead;
        }
        await SweepAsync(root, cancel);

        // The lock is taken before the folder gets its name, so that nobody can sweep a folder whose owner has only just begun.
        var id = $"{Environment.ProcessId}-{RandomNumberGenerator.GetHexString(8, lowercase: true)}";
        var draft = Directory.CreateDirectory(System.IO.Path.Combine(root, $"new-{id}")).FullName;
        Processes.SetMode(draft, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute | UnixFileMode.GroupExecute | UnixFileMode.OtherExecute);
        var owner = new FileStream(System.IO.Path.Combine(draft, "owner"), FileMode.CreateNew, FileAccess.ReadWrite, FileShare.None);
        var path = System.IO.Path.Combine(root, $"run-{id}");
        Directory.Move(draft, path);
        return new ServerFolder(path, owner);
    }

    /// <summary>Ends the servers of owners that are dead, and deletes their folders. Those of living owners are left alone.</summary>
    public static async Task SweepAsync(string root, CancellationToken cancel = default)
    {
        if (!Directory.Exists(root)) return;
        foreach (var folder in Directory.GetDirectories(root, "run-*"))
        {
            try
            {
                // The operating system keeps this lock for as long as the owner lives, and not a moment longer. A folder without the file is one
                // whose deletion was broken off.
                await using var owner = new FileStream(System.IO.Path.Combine(folder, "owner"), FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.None);
                await EndAsync(folder, cancel);
            }
            catch (IOException)
            {
                // A living owner, or a watchdog that is deleting it at this moment: either way it is not ours to end.
            }
        }
    }

    /// <summary>Notes a process that must not outlive us.</summary>
    internal void Record(int pid)
    {
        lock (_gate) File.AppendAllText(System.IO.Path.Combine(Path, "pids"), $"{pid}\n");
    }

    /// <summary>
    /// Notes a container that must not outlive us, by the name it will get: before it is made, so that no moment is left in which it could be lost.
    /// </summary>
    public void RecordContainer(string name)
    {
        lock (_gate) File.AppendAllText(System.IO.Path.Combine(Path, "containers"), $"{name}\n");
    }

    public async ValueTask DisposeAsync()
    {
        await EndAsync(Path, CancellationToken.None);
        await _owner.DisposeAsync();
        _watchdog.StandardInput.Close();
        await _watchdog.WaitForExitAsync();
        _watchdog.Dispose();
    }

    // Where everybody may write, as in /tmp, anybody can have made the folder of a known name before us: and then say which processes we end, or be asked for our databases.
    private static async Task RefuseAnothersAsync(string folder, CancellationToken cancel)
    {
        if (OperatingSystem.IsWindows() || System.IO.Path.GetDirectoryName(folder) is not { } parent || !File.GetUnixFileMode(parent).HasFlag(UnixFileMode.OtherWrite)) return;
        var (exit, found) = await Processes.RunAsync("find", [folder, "-prune", "-type", "d", "-user", $"{Processes.User}", "!", "-perm", "-0002"], "/", cancel);
        if (exit != 0 || found.Trim() != folder)
            throw new ServerUnavailableException($"{folder} is another user's, or a link, or everybody may write to it: remove it, or set TMPDIR to a folder of your own");
    }

    private static async Task<bool> ReachableAsync(string folder, CancellationToken cancel)
    {
        // Without binaries nothing runs as that user: containers stand in.
        if (!Processes.IsRoot || !PrivatePostgres.IsInstalled) return true;
        string[] command = [.. Processes.As(PrivatePostgres.User), "test", "-x", folder];
        var (exit, output) = await Processes.RunAsync(command[0], command.Skip(1), "/", cancel);
        if (output.Contains("failed to find", StringComparison.Ordinal) || output.Contains("failed to parse", StringComparison.Ordinal))
            throw ServerUnavailableException.Missing($"PostgreSQL (which brings the user {PrivatePostgres.User})", "postgresql", "postgresql@17");
        return exit == 0;
    }

    private static async Task EndAsync(string folder, CancellationToken cancel)
    {
        var containers = System.IO.Path.Combine(folder, "containers");
        if (File.Exists(containers)) await Processes.RunAsync("docker", ["rm", "-f", "-v", .. await File.ReadAllLinesAsync(containers, cancel)], "/", cancel);
        var list = System.IO.Path.Combine(folder, "pids");
        foreach (var line in File.Exists(list) ? await File.ReadAllLinesAsync(list, cancel) : [])
        {
            if (!int.TryParse(line, out var pid) || !await Processes.BelongsToAsync(pid, folder, cancel)) continue;
            Processes.Signal(pid, Processes.SigQuit);
            if (await Processes.GoneAsync(pid, StopPatience, cancel)) continue;
            Processes.Signal(pid, Processes.SigKill);
            await Processes.GoneAsync(pid, StopPatience, cancel);
        }
        if (Directory.Exists(folder)) Directory.Delete(folder, recursive: true);
    }
}
