using System.Diagnostics;
using System.Globalization;

namespace Testing;

/// <summary>A host as a process of its own, as an operator runs it, that can be killed and started again. It ends with us, however we end.</summary>
/// <param name="dll">the built host</param>
/// <param name="settings">what configures it, looked at anew for each start</param>
/// <param name="http">where its health is asked for</param>
public sealed class ServiceProcess(string dll, Func<IReadOnlyDictionary<string, string?>> settings, Uri http) : IAsyncDisposable
{
    // It reads from a pipe whose other end only we hold; when we are gone, so is the service. It ends when the service has: then its ports are free.
    private const string Leash = "dotnet \"$1\" >>\"$2\" 2>&1 </dev/null & echo $!; read -r _; kill -9 $! 2>&-; wait $! 2>&-";

    private readonly string _log = Path.Combine(Path.GetTempPath(), $"billing-{Path.GetFileNameWithoutExtension(dll)}-{Environment.ProcessId}-{Path.GetRandomFileName()}.log");
    private Process? _leash;
    private int _pid;

    public Uri Http => http;

    public async Task StartAsync()
    {
        var start = new ProcessStartInfo("/bin/sh", ["-c", Leash, "sh", dll, _log]) { RedirectStandardInput = true, RedirectStandardOutput = true };
        foreach (var (key, value) in settings()) start.Environment[key.Replace(":", "__", StringComparison.Ordinal)] = value;
        start.Environment["ASPNETCORE_ENVIRONMENT"] = "Test";
        _leash = Process.Start(start)!;
        _pid = int.Parse((await _leash.StandardOutput.ReadLineAsync())!, CultureInfo.InvariantCulture);
    }

    /// <exception cref="TimeoutException">with the last of what it said, which is all that is known of one that did not start</exception>
    public async Task ReadyAsync()
    {
        try
        {
            await Eventually.True(async () =>
            {
                using var client = new HttpClient { BaseAddress = http };
                using var response = await client.GetAsync(new Uri("/health/ready", UriKind.Relative));
                return response.IsSuccessStatusCode;
            }, $"{dll} is ready", TimeSpan.FromMinutes(2));
        }
        catch (TimeoutException e)
        {
            throw new TimeoutException($"{e.Message}; it said last:\n{string.Join('\n', (await File.ReadAllLinesAsync(_log)).TakeLast(20))}", e);
        }
    }

    /// <summary>kill -9: no handler runs, nothing is flushed.</summary>
    public async Task KillAsync()
    {
        if (_leash is null) return;
        using (var service = Process.GetProcessById(_pid)) service.Kill();
        _leash.StandardInput.Close();
        await _leash.WaitForExitAsync();
        _leash.Dispose();
        _leash = null;
    }

    /// <summary>Returns when it has used less than a fifth of one processor for a second: nobody asks it for anything, so it should.</summary>
    public Task RestsAsync()
    {
        var (since, before) = (Stopwatch.GetTimestamp(), ProcessorTime());
        return Eventually.True(() =>
        {
            var (elapsed, now) = (Stopwatch.GetElapsedTime(since), ProcessorTime());
            if (elapsed < TimeSpan.FromSeconds(1)) return false;
            var rests = now - before < elapsed / 5;
            (since, before) = (Stopwatch.GetTimestamp(), now);
            return rests;
        }, $"{dll} rests");
    }

    private TimeSpan ProcessorTime()
    {
        using var service = Process.GetProcessById(_pid);
        return service.TotalProcessorTime;
    }

    /// <summary>kill -STOP: it is there, its connections are open, and it does nothing.</summary>
    public Task FreezeAsync() => SignalAsync("STOP");

    /// <summary>It goes on as if no time had passed.</summary>
    public Task ThawAsync() => SignalAsync("CONT");

    private async Task SignalAsync(string signal)
    {
        using var kill = Process.Start("kill", [$"-{signal}", _pid.ToString(CultureInfo.InvariantCulture)]);
        await kill.WaitForExitAsync();
    }

    public async ValueTask DisposeAsync()
    {
        await KillAsync();
        File.Delete(_log);
    }
}
