using System.CommandLine;

namespace Cli.Tests;

public sealed class CommandLineTests
{
    [Fact]
    public async Task Whoever_interrupts_a_command_reads_so_and_a_script_sees_130()
    {
        var (before, error) = (Console.Error, new StringWriter());
        var command = new Command("solve");
        command.SetAction((_, _) => Task.FromCanceled<int>(new(canceled: true)));
        Console.SetError(error);
        try
        {
            Assert.Equal(CommandLine.Interrupted, await command.RunAsync([]));
        }
        finally
        {
            Console.SetError(before);
        }
        Assert.Contains("billing: interrupted\n", error.ToString(), StringComparison.Ordinal);
    }
}
