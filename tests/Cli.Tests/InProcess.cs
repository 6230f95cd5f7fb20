using System.CommandLine;
using System.Runtime.CompilerServices;
using System.Text;

namespace Cli.Tests;

/// <summary>
/// The billing command in this process, with streams of its own: what a start of dotnet costs, hundreds of times, is saved. That a process has the same streams and
/// exit codes is tested once for each group of commands.
/// </summary>
internal static class InProcess
{
    private static readonly AsyncLocal<Streams?> Current = new();
    private static readonly Lock Addresses = new();

    // Before anybody has asked for the console, which the command keeps.
    [ModuleInitializer]
    internal static void TakeConsole()
    {
        var (output, error, input) = (Console.Out, Console.Error, Console.In);
        Console.SetOut(new Switch(() => Current.Value?.Output ?? output));
        Console.SetError(new Switch(() => Current.Value?.Error ?? error));
        Console.SetIn(new SwitchReader(() => Current.Value?.Input ?? input));
    }

    /// <param name="environment">where services are: read when the command is made</param>
    public static Task<(int Exit, string Output, string Error)> RunAsync(IReadOnlyDictionary<string, string?> environment, string input, params string[] args)
    {
        Command command;
        lock (Addresses)
        {
            foreach (var (name, value) in environment) Environment.SetEnvironmentVariable(name, value);
            command = BillingCommand.Create();
            foreach (var (name, _) in environment) Environment.SetEnvironmentVariable(name, null);
        }
        return RunAsync(command, input, args);
    }

    public static async Task<(int Exit, string Output, string Error)> RunAsync(Command command, string input, params string[] args)
    {
        var streams = Current.Value = new(new(), new(), new(input));
        var exit = await Task.Run(() => command.RunAsync(args));
        return (exit, $"{streams.Output}", $"{streams.Error}");
    }

    private sealed record Streams(StringWriter Output, StringWriter Error, StringReader Input);

    private sealed class Switch(Func<TextWriter> to) : TextWriter
    {
        public override Encoding Encoding => Encoding.UTF8;
        public override void Write(char value) => to().Write(value);
        public override void Write(string? value) => to().Write(value);
        public override void Write(char[] buffer, int index, int count) => to().Write(buffer, index, count);
    }

    private sealed class SwitchReader(Func<TextReader> from) : TextReader
    {
        public override int Peek() => from().Peek();
        public override int Read() => from().Read();
        public override int Read(char[] buffer, int index, int count) => from().Read(buffer, index, count);
        public override string ReadToEnd() => from().ReadToEnd();
    }
}
