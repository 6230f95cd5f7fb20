using System.Diagnostics;
using System.Runtime.InteropServices;

namespace LocalServers;

/// <summary>What this project asks of the operating system: run, start apart from the terminal, signal, and look who is alive.</summary>
internal static partial class Processes
{
    internal const int SigQuit = 3, SigKill = 9, SigTerm = 15;

    [LibraryImport("libc", EntryPoint = "kill", SetLastError = true)]
    private static partial int SendSignal(int pid, int signal);

    [LibraryImport("libc", EntryPoint = "geteuid")]
    private static partial uint EffectiveUser();

    /// <summary>The number of the user that we are.</summary>
    internal static uint User => EffectiveUser();

    internal static bool IsRoot { get; } = !OperatingSystem.IsWindows() && Environment.IsPrivilegedProcess;

    internal static void SetMode(string path, UnixFileMode mode)
    {
        if (!OperatingSystem.IsWindows()) File.SetUnixFileMode(path, mode);
    }

    internal static void Signal(int pid, int signal)
    {
        // 0, 1 and negative ids mean a group, or everybody: never what a private server is.
        if (pid > 1) _ = SendSignal(pid, signal);
    }

    internal static bool IsAlive(int pid)
    {
        if (pid <= 1) return false;
        const int mayNotSignal = 1; // EPERM: it lives, and belongs to somebody else.
        if (SendSignal(pid, 0) != 0) return Marshal.GetLastPInvokeError() == mayNotSignal;
        try
        {
            // A zombie has ended; only its parent has not asked yet.
            return !OperatingSystem.IsLinux() || File.ReadAllText($"/proc/{pid}/stat") is var stat && stat[stat.LastIndexOf(')') + 2] is not ('Z' or 'X');
        }
        catch (IOException)
        {
            return false;
        }
    }

    /// <summary>True when the process was started in, or for, the folder: the only ones that may be ended in its name.</summary>
    internal static async Task<bool> BelongsToAsync(int pid, string folder, CancellationToken cancel)
    {
        if (!IsAlive(pid)) return false;
        if (OperatingSystem.IsLinux() && new FileInfo($"/proc/{pid}/cwd").LinkTarget is { } cwd && cwd.StartsWith(folder, StringComparison.Ordinal)) return true;
        var (exit, command) = await RunAsync("ps", ["-ww", "-o", "command=", "-p", $"{pid}"], cancel: cancel);
        return exit == 0 && command.Contains(Path.GetFileName(folder), StringComparison.Ordinal);
    }

    /// <summary>Polls until the process is gone; false when it outlives the patience.</summary>
    internal static async Task<bool> GoneAsync(int pid, TimeSpan patience, CancellationToken cancel = default)
    {
        for (var since = Stopwatch.StartNew(); IsAlive(pid); await Task.Delay(10, cancel))
            if (since.Elapsed > patience) return false;
        return true;
    }

    /// <summary>Ids of the direct children, so that a crash can take a server's whole family at once.</summary>
    internal static IReadOnlyList<int> ChildrenOf(int pid)
    {
        var (_, table) = RunAsync("ps", ["-axo", "pid=,ppid="]).GetAwaiter().GetResult();
        return [.. table.Split('\n', StringSplitOptions.RemoveEmptyEntries)
            .Select(row => row.Split(' ', StringSplitOptions.RemoveEmptyEntries))
            .Where(row => row.Length == 2 && row[1] == $"{pid}")
            .Select(row => int.Parse(row[0], System.Globalization.CultureInfo.InvariantCulture))];
    }

    /// <summary>Runs a program to its end. Gives its exit code and everything it said.</summary>
    internal static async Task<(int Exit, string Output)> RunAsync(string program, IEnumerable<string> arguments, string? folder = null, CancellationToken cancel = default)
    {
        var start = new ProcessStartInfo(program, arguments)
        {
            RedirectStandardInput = true, RedirectStandardOutput = true, RedirectStandardError = true, WorkingDirectory = folder ?? "",
        };
        using var process = Process.Start(start)!;
        process.StandardInput.Close();
        var (output, errors) = (process.StandardOutput.ReadToEndAsync(cancel), process.StandardError.ReadToEndAsync(cancel));
        await process.WaitForExitAsync(cancel);
        return (process.ExitCode, await output + await errors);
    }

    /// <summary>
    /// Starts a server that keeps none of our terminal: its own session (a Ctrl-C meant for us must not stop it under our feet) and
    /// its words in a log file (an inherited pipe would keep whoever reads ours waiting).
    /// </summary>
    internal static Process StartApart(IEnumerable<string> command, string folder, string logFile, IReadOnlyDictionary<string, string>? environment = null)
    {
        const string script = "log=$1; shift; exec \"$@\" >>\"$log\" 2>&1 </dev/null";
        string[] shell = ["/bin/sh", "-c", script, "sh", logFile, .. command];
        string[] all = Find("setsid") is { } setsid ? [setsid, .. shell] : shell;
        var start = new ProcessStartInfo(all[0], all.Skip(1)) { WorkingDirectory = folder };
        foreach (var (name, value) in environment ?? new Dictionary<string, string>()) start.Environment[name] = value;
        return Process.Start(start)!;
    }

    /// <summary>What to put before a command so that it runs as the user; nothing when we are not root. The process id stays the same.</summary>
    internal static string[] As(string user) =>
        !IsRoot ? []
        : Find("setpriv") is { } setpriv ? [setpriv, $"--reuid={user}", $"--regid={user}", "--init-groups", "--"]
        : throw ServerUnavailableException.Missing("setpriv (PostgreSQL refuses to run as root)", "util-linux", "util-linux");

    /// <summary>Full path of a program in PATH, then in the further folders; null when there is none.</summary>
    internal static string? Find(string program, params IEnumerable<string> furtherFolders) =>
        (Environment.GetEnvironmentVariable("PATH") ?? "").Split(Path.PathSeparator, StringSplitOptions.RemoveEmptyEntries)
            .Concat(["/usr/sbin", "/usr/bin", "/sbin", "/bin", .. furtherFolders])
            .Select(folder => Path.Combine(folder, program))
            .FirstOrDefault(IsThere);

    /// <summary>A program that can be started: a link whose target is gone is none.</summary>
    internal static bool IsThere(string path) => File.Exists(path) && File.ResolveLinkTarget(path, returnFinalTarget: true)?.Exists != false;
}
