using System.Diagnostics;
using Spectre.Console;

namespace Cli.Demo;

/// <summary>
/// What the demo shows. People read standard output; with --json it belongs to the figures alone and the story goes to
/// standard error.
/// </summary>
public sealed class DemoScreen(bool json)
{
    public IAnsiConsole Console { get; } = json ? CommandLine.Aside : CommandLine.Output;

    private readonly Stopwatch _watch = Stopwatch.StartNew();

    /// <summary>Seconds since the story began.</summary>
    public double Seconds => _watch.Elapsed.TotalSeconds;

    public void Title(string text)
    {
        Console.WriteLine();
        Console.Write(new Rule($"[bold]{text.EscapeMarkup()}[/] [dim]{Seconds:0.0} s[/]") { Justification = Justify.Left });
    }

    public void Say(string text) => Console.MarkupLineInterpolated($"{text}");

    /// <summary>Work with a bar where the console can draw one.</summary>
    public async Task<T> Progress<T>(string what, double steps, Func<Action<double>, Task<T>> work)
    {
        if (!Console.Profile.Capabilities.Interactive) return await work(_ => { });
        return await Console.Progress().AutoClear(true).Columns(new TaskDescriptionColumn { Alignment = Justify.Left }, new ProgressBarColumn(), new PercentageColumn(), new ElapsedTimeColumn())
            .StartAsync(async progress =>
            {
                var task = progress.AddTask(what.EscapeMarkup(), maxValue: steps);
                var result = await work(task.Increment);
                task.Value = task.MaxValue;
                return result;
            });
    }
}
