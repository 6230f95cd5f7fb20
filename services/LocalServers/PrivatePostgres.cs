using System.Diagnostics;
using System.Security.Cryptography;
using Npgsql;

namespace LocalServers;

/// <summary>A PostgreSQL server of our own from installed binaries: data in the folder, TCP on a free loopback port.</summary>
public sealed class PrivatePostgres : IAsyncDisposable
{
    /// <summary>Whom the server runs as when we are root, which it refuses to be.</summary>
    internal const string User = "postgres";

    private const int StartAttemptsMax = 5;
    private static readonly TimeSpan StartPatience = TimeSpan.FromSeconds(60), StopPatience = TimeSpan.FromSeconds(20);

    private readonly ServerFolder _folder;
    private readonly string _binaries, _home, _password;
    private readonly bool _flushes;
    private Process? _postmaster;

    private PrivatePostgres(ServerFolder folder, string binaries, bool flushes)
    {
        (_folder, _binaries, _home, _flushes) = (folder, binaries, Path.Combine(folder.Path, "postgres"), flushes);
        _password = RandomNumberGenerator.GetHexString(32, lowercase: true);
    }

    /// <summary>Whether this machine has the binaries.</summary>
    public static bool IsInstalled => BinariesFolder() is not null;

    public int Port { get; private set; }

    public PostgresCluster Cluster => new(new NpgsqlConnectionStringBuilder
    {
        Host = "127.0.0.1", Port = Port, Database = "postgres", Username = "postgres", Password = _password, Timeout = PostgresCluster.ConnectSeconds,
    }.ConnectionString);

    /// <summary>Starts a server without databases of ours. Ready when this returns.</summary>
    /// <param name="flushes">false leaves it to the system when the disk has what was committed: it survives a kill of the server, not a loss of power</param>
    public static async Task<PrivatePostgres> StartAsync(ServerFolder folder, bool flushes = true, CancellationToken cancel = default)
    {
        var server = new PrivatePostgres(folder, FindBinaries(), flushes);
        await server.InitializeAsync(cancel);
        for (var attempt = 1; !await server.TryStartAsync(Ports.Free(1)[0], cancel); attempt++)
            if (attempt == StartAttemptsMax) throw server.DidNotStart();
        return server;
    }

    public Task<ServiceDatabase> CreateDatabaseAsync(string name, CancellationToken cancel = default) => Cluster.CreateDatabaseAsync(name, cancel);

    /// <summary>Ends the server and all its sessions at once, as a crash would. The data stays.</summary>
    public void Kill()
    {
        if (_postmaster is not { HasExited: false } postmaster) return;
        int[] family = [postmaster.Id, .. Processes.ChildrenOf(postmaster.Id)];
        foreach (var pid in family) Processes.Signal(pid, Processes.SigKill);
        postmaster.WaitForExit();
        // Until the last session is gone it holds the shared memory that a new server wants.
        SpinWait.SpinUntil(() => !family.Any(Processes.IsAlive), StopPatience);
    }

    /// <summary>Stops the server, if it still runs, and starts it on the same data and port.</summary>
    public async Task RestartAsync(CancellationToken cancel = default)
    {
        const int fastShutdown = 2; // SIGINT: sessions are ended, then a checkpoint is written.
        if (_postmaster is { HasExited: false } postmaster)
        {
            Processes.Signal(postmaster.Id, fastShutdown);
            if (!await Processes.GoneAsync(postmaster.Id, StopPatience, cancel)) Kill();
        }
        for (var attempt = 1; !await TryStartAsync(Port, cancel); attempt++)
        {
            if (attempt == StartAttemptsMax) throw DidNotStart();
            await Task.Delay(TimeSpan.FromMilliseconds(200), cancel);
        }
    }

    public async ValueTask DisposeAsync()
    {
        if (_postmaster is { HasExited: false } postmaster)
        {
            // SIGQUIT, the fastest stop there is: the data goes with the folder, so nothing needs to be written first.
            Processes.Signal(postmaster.Id, Processes.SigQuit);
            if (!await Processes.GoneAsync(postmaster.Id, StopPatience)) Kill();
        }
        _postmaster?.Dispose();
        if (Directory.Exists(_home)) Directory.Delete(_home, recursive: true);
    }

    private string Data => Path.Combine(_home, "data");
    private string Log => Path.Combine(_home, "log");

    private async Task InitializeAsync(CancellationToken cancel)
    {
        Directory.CreateDirectory(_home);
        var passwordFile = Path.Combine(_home, "password");
        await File.WriteAllTextAsync(passwordFile, _password, cancel);
        Processes.SetMode(passwordFile, UnixFileMode.UserRead | UnixFileMode.UserWrite);
        if (Processes.IsRoot) await Processes.RunAsync("chown", ["-R", $"{User}:", _home], cancel: cancel);

        string[] initdb =
        [
            .. Processes.As(User), Path.Combine(_binaries, "initdb"), "-D", Data, "-U", "postgres", $"--pwfile={passwordFile}", "--auth=scram-sha-256",
            "--encoding=UTF8", "--no-locale", "--no-sync",
        ];
        var (exit, output) = await Processes.RunAsync(initdb[0], initdb.Skip(1), _home, cancel);
        if (exit != 0) throw new ServerUnavailableException($"initdb failed in {_home}: {output.Trim().Split('\n')[^1]}");
        File.Delete(passwordFile);
    }

    private async Task<bool> TryStartAsync(int port, CancellationToken cancel)
    {
        Port = port;
        string[] server =
        [
            .. Processes.As(User), Path.Combine(_binaries, "postgres"), "-D", Data, "-p", $"{port}", "-c", "listen_addresses=127.0.0.1", "-c", "unix_socket_directories=",
            "-c", "max_connections=200", "-c", "shared_buffers=256MB", "-c", "timezone=UTC", "-c", "log_timezone=UTC",
            .. _flushes ? ["-c", "max_wal_size=2GB"] : (string[])["-c", "fsync=off", "-c", "full_page_writes=off", "-c", "max_wal_size=256MB"],
        ];
        _postmaster?.Dispose();
        _postmaster = Processes.StartApart(server, _home, Log);
        _folder.Record(_postmaster.Id);

        for (var since = Stopwatch.StartNew(); since.Elapsed < StartPatience; await Task.Delay(20, cancel))
        {
            if (_postmaster.HasExited) return false;
            // Its own word that it is ready; a mere connection could be answered by somebody else's server on a port we lost.
            if (!File.Exists(Path.Combine(Data, "postmaster.pid"))) continue;
            var state = await File.ReadAllLinesAsync(Path.Combine(Data, "postmaster.pid"), cancel);
            if (state is [var pid, _, _, _, _, _, _, var status, ..] && pid == $"{_postmaster.Id}" && status.StartsWith("ready", StringComparison.Ordinal)) return true;
        }
        Kill();
        return false;
    }

    private ServerUnavailableException DidNotStart()
    {
        var words = File.Exists(Log) ? File.ReadAllLines(Log).LastOrDefault(line => line.Contains("FATAL", StringComparison.Ordinal)) : null;
        return new ServerUnavailableException($"the private PostgreSQL in {_home} did not start: {words ?? "it said nothing"}");
    }

    private static string FindBinaries() => BinariesFolder() ?? throw ServerUnavailableException.Missing("PostgreSQL", "postgresql", "postgresql@17");

    private static string? BinariesFolder()
    {
        var versions = Directory.Exists("/usr/lib/postgresql")
            ? Directory.GetDirectories("/usr/lib/postgresql").OrderByDescending(folder => int.TryParse(Path.GetFileName(folder), out var version) ? version : 0)
            : Enumerable.Empty<string>();
        var packaged = Directory.GetDirectories("/usr", "pgsql-*").OrderByDescending(folder => int.TryParse(folder.AsSpan("/usr/pgsql-".Length), out var version) ? version : 0);
        string[] brew = ["/opt/homebrew/opt", "/usr/local/opt"];
        var brewed = brew.Where(Directory.Exists).SelectMany(folder => Directory.GetDirectories(folder, "postgresql*")).OrderDescending(StringComparer.Ordinal);
        return (Environment.GetEnvironmentVariable("PATH") ?? "").Split(Path.PathSeparator, StringSplitOptions.RemoveEmptyEntries)
            .Concat(versions.Concat(packaged).Concat(brewed).Select(folder => Path.Combine(folder, "bin")))
            .FirstOrDefault(folder => Processes.IsThere(Path.Combine(folder, "initdb")) && Processes.IsThere(Path.Combine(folder, "postgres")));
    }
}
