using System.Globalization;

namespace Bench.Metering;

/// <summary>The processes of private servers, as /proc has them. None where there is no /proc.</summary>
public static class ServerProcesses
{
    /// <summary>Whoever works in the server's folder is one of its processes.</summary>
    public static IEnumerable<string> Of(string folder, string server) => !Directory.Exists("/proc/self") ? [] : Directory.EnumerateDirectories("/proc")
        .Where(p => char.IsAsciiDigit(Path.GetFileName(p)[0]) && HomeOf(p).StartsWith(Path.Combine(folder, server), StringComparison.Ordinal));

    /// <summary>Physical memory in bytes, of which what several processes share counts for each only in part.</summary>
    public static long MemoryOf(string process)
    {
        try
        {
            // "Pss:    12345 kB"
            var line = File.ReadLines(Path.Combine(process, "smaps_rollup")).First(l => l.StartsWith("Pss:", StringComparison.Ordinal));
            return 1024 * long.Parse(line.Split(' ', StringSplitOptions.RemoveEmptyEntries)[1], CultureInfo.InvariantCulture);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or InvalidOperationException)
        {
            return 0; // It has just ended.
        }
    }

    private static string HomeOf(string process)
    {
        try { return new FileInfo(Path.Combine(process, "cwd")).LinkTarget ?? ""; }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException) { return ""; }
    }
}

/// <summary>Physical memory in bytes.</summary>
public readonly record struct ServerMemory(long Service, long Postgres);
