using System.CommandLine;
using System.Globalization;
using System.Runtime.InteropServices;
using Grpc.Core;
using Spectre.Console;

namespace Cli;

/// <summary>Something the user must mend, in one line that says what. Exit code 1.</summary>
public class UserException(string message) : Exception(message);

/// <summary>Something that may be over in a moment, such as a service that is away: who works for ever waits and tries again.</summary>
/// <param name="reason">As contracts/README.md lists them; null where no service gave one.</param>
public sealed class PassingException(string message, string? reason = null) : UserException(message)
{
    public string? Reason { get; } = reason;
}

/// <summary>What a service refuses for what was asked, whoever asks: the same call is refused again until somebody changes something.</summary>
/// <param name="reason">As contracts/README.md lists them.</param>
public sealed class RefusedCallException(string reason, string message) : UserException(message)
{
    public string Reason { get; } = reason;
}

/// <summary>
/// What every command does alike: results go to standard output, everything else to standard error. Exit codes: 0 done, 1 the input or
/// the world is at fault, 2 the command line is, 130 interrupted.
/// </summary>
public static class CommandLine
{
    public const int Faulty = 1, WrongUsage = 2, Interrupted = 130;

    /// <summary>How long a command that is interrupted may take to put things away.</summary>
    private static readonly TimeSpan Grace = TimeSpan.FromSeconds(5);

    /// <summary>Wide enough for a table where nobody's terminal says otherwise.</summary>
    private const int WidthOfFiles = 160;

    public static async Task<int> RunAsync(this Command root, string[] args)
    {
        var parsed = root.Parse(args);
        if (parsed.Errors.Count > 0)
        {
            // The last one is about the word that was not understood; those before it follow from that.
            await Console.Error.WriteLineAsync($"billing: {parsed.Errors[^1].Message} (see {Named(parsed.CommandResult.Command)} --help)");
            return WrongUsage;
        }
        var late = new TaskCompletionSource<int>(TaskCreationOptions.RunContinuationsAsynchronously);
        using var interrupt = new CancellationTokenSource();
        using var onInt = PosixSignalRegistration.Create(PosixSignal.SIGINT, Stop);
        using var onTerm = PosixSignalRegistration.Create(PosixSignal.SIGTERM, Stop);
        try
        {
            // Apart, for a command that computes and never waits would keep us from giving it up.
            var running = Task.Run(() => parsed.InvokeAsync(new InvocationConfiguration { EnableDefaultExceptionHandler = false, ProcessTerminationTimeout = null }, interrupt.Token));
            return await await Task.WhenAny(running, late.Task);
        }
        // Whatever a command makes of being stopped half-way: the services' clients say that their call was cancelled, and some say more.
        catch (Exception e) when (interrupt.IsCancellationRequested && (e is UserException or RpcException or IOException))
        {
            await Console.Error.WriteLineAsync("billing: interrupted");
            return Interrupted;
        }
        catch (UserException e)
        {
            await Console.Error.WriteLineAsync($"billing: {e.Message}");
            return Faulty;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            // A file that may not be read or written, a full disk, a port that somebody else has taken: the system says which.
            await Console.Error.WriteLineAsync($"billing: {e.Message}");
            return Faulty;
        }
        catch (OperationCanceledException)
        {
            await Console.Error.WriteLineAsync("billing: interrupted");
            return Interrupted;
        }

        void Stop(PosixSignalContext signal)
        {
            // The second one ends us at once.
            signal.Cancel = !interrupt.IsCancellationRequested;
            if (!signal.Cancel) return;
            interrupt.Cancel();
            _ = Task.Delay(Grace).ContinueWith(_ => late.TrySetCanceled(), TaskScheduler.Default);
        }
    }

    /// <summary>Standard output for people; as wide as their terminal, and wide where there is none.</summary>
    public static IAnsiConsole Output { get; } = Create(Console.Out, Console.IsOutputRedirected);

    /// <summary>Standard error for people: progress, and what went wrong.</summary>
    public static IAnsiConsole Aside { get; } = Create(Console.Error, Console.IsErrorRedirected);

    /// <summary>A whole number on the command line, within bounds.</summary>
    public static Option<int?> Count(string name, string placeholder, string description, int min, int max) => new(name)
    {
        HelpName = placeholder,
        Description = description,
        CustomParser = result =>
        {
            if (int.TryParse(result.Tokens[0].Value, NumberStyles.None, CultureInfo.InvariantCulture, out var n) && n >= min && n <= max) return n;
            result.AddError($"{name} {result.Tokens[0].Value} is not a whole number from {min} to {max}");
            return null;
        },
    };

    private static IAnsiConsole Create(TextWriter writer, bool redirected)
    {
        var console = AnsiConsole.Create(new AnsiConsoleSettings { Out = new AnsiConsoleOutput(writer) });
        if (redirected) console.Profile.Width = WidthOfFiles;
        return console;
    }

    private static string Named(Command command) =>
        string.Join(' ', [.. command.Parents.OfType<Command>().Take(1).Select(Named), command.Name]);
}
