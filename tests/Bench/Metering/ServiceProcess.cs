using System.Diagnostics;
using System.Globalization;

namespace Bench.Metering;

/// <summary>A program of this checkout as a process of its own, so that its processor time can be told from the client's. It ends with us, however we end.</summary>
public sealed class ServiceProcess : IDisposable
{
    // It reads from a pipe whose other end only we hold; when we are gone, so is the program.
    private const string Leash = "dotnet \"$@\" </dev/null >/dev/null & echo $!; read -r _; kill -9 $! 2>&-";
    private readonly Process _leash;
    private readonly Process _program;

    private ServiceProcess(Process leash)
    {
        _leash = leash;
        _program = Process.GetProcessById(int.Parse(leash.StandardOutput.ReadLine()!, CultureInfo.InvariantCulture));
    }

    public int Id => _program.Id;

    /// <summary>Physical memory it has now, in bytes.</summary>
    public long Memory
    {
        get
        {
            _program.Refresh();
            return _program.WorkingSet64;
        }
    }

    /// <param name="program">an assembly with its runtime configuration beside it</param>
    public static ServiceProcess Start(string program, IReadOnlyList<string> arguments, IReadOnlyDictionary<string, string> settings)
    {
        var start = new ProcessStartInfo("/bin/sh", ["-c", Leash, "sh", program, .. arguments]) { RedirectStandardInput = true, RedirectStandardOutput = true };
        foreach (var (name, value) in settings) start.Environment[name.Replace(":", "__", StringComparison.Ordinal)] = value;
        return new ServiceProcess(Process.Start(start)!);
    }

    /// <summary>Ends it as a crash would.</summary>
    public void Dispose()
    {
        _leash.StandardInput.Close();
        _leash.WaitForExit();
        _leash.Dispose();
        _program.WaitForExit();
        _program.Dispose();
    }
}
