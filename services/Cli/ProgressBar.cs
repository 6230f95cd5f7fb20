using Spectre.Console;

namespace Cli;

/// <summary>
/// Work that may take long: on a terminal a bar on standard error after the first second, so that what ends at once leaves no trace; none where
/// standard error is not a terminal.
/// </summary>
public static class ProgressBar
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(1), Step = TimeSpan.FromMilliseconds(100);

    public static Task<T> During<T>(string what, Func<IProgress<double>, T> work, CancellationToken ct)
    {
        return During(what, progress => Task.Run(() => work(progress), ct), ct);
    }

    public static async Task<T> During<T>(string what, Func<IProgress<double>, Task<T>> work, CancellationToken ct)
    {
        var latest = new Latest();
        var working = work(latest);
        if (CommandLine.Aside.Profile.Capabilities.Interactive && await Task.WhenAny(working, Task.Delay(Patience, ct)) != working)
            await CommandLine.Aside.Progress().AutoClear(true)
                .Columns(new TaskDescriptionColumn { Alignment = Justify.Left }, new ProgressBarColumn(), new PercentageColumn(), new ElapsedTimeColumn())
                .StartAsync(async progress =>
                {
                    // How far it is may not be known, as where a service is asked.
                    var task = progress.AddTask(what.EscapeMarkup(), maxValue: 1).IsIndeterminate();
                    while (await Task.WhenAny(working, Task.Delay(Step, ct)) != working && !ct.IsCancellationRequested)
                    {
                        task.IsIndeterminate = latest.Value <= 0;
                        task.Value = latest.Value;
                    }
                });
        return await working;
    }

    private sealed class Latest : IProgress<double>
    {
        public double Value { get; private set; }
        public void Report(double value) => Value = value;
    }
}
