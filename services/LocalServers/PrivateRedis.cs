using System.Diagnostics;
using System.Net;

namespace LocalServers;

/// <summary>A Redis server of our own from an installed binary, in memory only, on a free loopback port: what the benchmark compares decisions with.</summary>
public sealed class PrivateRedis : IAsyncDisposable
{
    private const int StartAttemptsMax = 3;
    private static readonly TimeSpan StartPatience = TimeSpan.FromSeconds(30);
    private readonly Process _server;

    private PrivateRedis(Process server, int port) => (_server, Port) = (server, port);

    public int Port { get; }

    /// <summary>Starts a server. It accepts connections when this returns.</summary>
    public static async Task<PrivateRedis> StartAsync(ServerFolder folder, CancellationToken cancel = default)
    {
        var program = Processes.Find("redis-server", "/opt/homebrew/bin", "/usr/local/bin") ?? throw ServerUnavailableException.Missing("Redis", "redis-server", "redis");
        var home = Directory.CreateDirectory(Path.Combine(folder.Path, "redis")).FullName;
        for (var attempt = 1; attempt <= StartAttemptsMax; attempt++)
        {
            var port = Ports.Free(1)[0];
            var server = Processes.StartApart([program, "--bind", "127.0.0.1", "--port", $"{port}", "--save", "", "--appendonly", "no", "--dir", home], home, Path.Combine(home, "log"));
            folder.Record(server.Id);
            for (var since = Stopwatch.StartNew(); since.Elapsed < StartPatience && !server.HasExited; await Task.Delay(20, cancel))
                if (await TcpAnswersAsync(port, cancel)) return new PrivateRedis(server, port);
        }
        throw new ServerUnavailableException($"the private Redis in {home} did not start");
    }

    public async ValueTask DisposeAsync()
    {
        if (!_server.HasExited) Processes.Signal(_server.Id, Processes.SigKill);
        await _server.WaitForExitAsync();
        _server.Dispose();
    }

    private static async Task<bool> TcpAnswersAsync(int port, CancellationToken cancel)
    {
        using var client = new System.Net.Sockets.TcpClient();
        try
        {
            await client.ConnectAsync(IPAddress.Loopback, port, cancel);
            return true;
        }
        catch (System.Net.Sockets.SocketException)
        {
            return false;
        }
    }
}
