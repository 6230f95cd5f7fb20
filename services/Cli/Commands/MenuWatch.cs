using System.CommandLine;
using System.Globalization;
using Kernel;
using Microsoft.Extensions.Options;
using PlanDesign.Estimation;
using PlanDesign.Host;

namespace Cli.Commands;

/// <summary>
/// <c>billing menu watch menu_… --state FILE [--every 1d|--once] [--on drift|schedule]</c>: looks at the market of the menu on sale as usage and billing
/// see it, and drafts a new menu with its evidence when that surely earns more. It never publishes: a person does. The first looks only
/// remember, until there is enough to compare with. While a service is away it waits and looks again.
/// </summary>
public static class MenuWatch
{
    private static readonly TimeSpan FirstPause = TimeSpan.FromSeconds(1), LongestPause = TimeSpan.FromMinutes(10);

    // A timer waits 24 days at most; a window longer than a year compares nothing recent.
    private const int EveryDaysMax = 24, WindowDaysMax = 366;

    public static Command Create()
    {
        var id = new Argument<string>("ID") { Description = "The menu on sale." };
        var state = new Option<string>("--state") { HelpName = "FILE", Description = "Where the watch remembers what it compares with.", Required = true };
        var every = new Option<TimeSpan?>("--every") { HelpName = "30m|6h|7d", Description = "How often it looks (default 1d).", CustomParser = result => Duration(result, "--every", EveryDaysMax) };
        var once = new Option<bool>("--once") { Description = "Look once, and end." };
        var on = new Option<string>("--on") { HelpName = "drift|schedule", Description = "Estimate anew only when the market moved, and once when the menu was on sale for a window (default), or at every look.", DefaultValueFactory = _ => "drift" };
        on.AcceptOnlyFromAmong("drift", "schedule");
        var window = new Option<TimeSpan?>("--window")
        {
            HelpName = "7d|28d", CustomParser = result => Duration(result, "--window", WindowDaysMax),
            Description = $"How far back a look reaches (default {MarketWatch.WindowDefault.TotalDays:0}d), and further where fewer than {MarketEstimation.AnswersMin} conversations were answered or {MarketEstimation.CustomersMin} customers chose.",
        };
        var gain = new Option<double>("--gain-min") { HelpName = "AMOUNT", Description = "Draft only if the gain a conversation is surely above this (default 0)." };
        var level = new Option<double>("--level")
        {
            HelpName = "P", DefaultValueFactory = _ => DriftTest.LevelDefault,
            Description = "The chance of a false alarm in one look (default 0.01); each of the two tests alarms below half of it.",
        };
        var without = new Option<string?>("--without-plan") { HelpName = "N|FILE", Description = "Customers who saw the menu and bought nothing until now: with --once the number, else a file that holds it, read at every look." };
        var (fit, draws, seed) = (MenuEstimate.Fit(), MenuEstimate.Draws(), MenuEstimate.Seed());
        var (planDesign, usage, billing) = (ServiceAddress.PlanDesign(), ServiceAddress.Usage(), ServiceAddress.Billing());
        var json = new Option<bool>("--json") { Description = "One JSON object for each look, a line each, on standard output." };
        var csv = MenuSolve.CsvRows("one row for each look");
        var command = new Command("watch", "Watches the market of the menu on sale, and drafts a better one when there is one. Never publishes.")
        {
            id, state, every, once, on, window, gain, level, without, fit, draws, seed, planDesign, usage, billing, json, csv,
        };
        command.Validators.Add(result =>
        {
            if (long.TryParse(result.GetValue(without), out _) && !result.GetValue(once)) result.AddError("--without-plan with a number needs --once, for the number grows: give a file that holds it");
        });
        command.SetAction(async (parsed, ct) =>
        {
            if (!Ids.TryParse(Ids.Menu, parsed.GetValue(id), out _)) throw new UserException($"{parsed.GetValue(id)} is not menu_ and 32 lower-case hex digits");
            if (!double.IsFinite(parsed.GetValue(gain))) throw new UserException("--gain-min must be an amount of money");
            if (parsed.GetValue(level) is not (> 0 and < 1)) throw new UserException("--level must lie between 0 and 1");
            using var neighbours = new Neighbours(
                Options.Create(new PlanDesignOptions { UsageAddress = parsed.GetValue(usage)!.OriginalString, BillingAddress = parsed.GetValue(billing)!.OriginalString }), Options.Create(ServiceChannel.Outgoing));
            var setting = new WatchSetting(
                parsed.GetValue(planDesign)!, neighbours, parsed.GetValue(id)!, parsed.GetValue(state)!,
                new(parsed.GetValue(level), parsed.GetValue(gain)) { IsDue = parsed.GetValue(on) == "schedule", Window = parsed.GetValue(window) ?? MarketWatch.WindowDefault },
                MenuEstimate.OptionsOf(parsed.GetValue(fit)!, parsed.GetValue(draws), parsed.GetValue(seed)), () => Without(parsed.GetValue(without)));
            if (parsed.GetValue(csv)) Csv.Write(Console.Out, WatchReport.CsvHeader, []);
            void Print(WatchReport report)
            {
                if (parsed.GetValue(json)) Console.Out.WriteLine(report.ToJson());
                else if (parsed.GetValue(csv)) Csv.WriteRow(Console.Out, report.ToCsv());
                else Console.Out.WriteLine(report.ToLine());
            }
            if (parsed.GetValue(once))
            {
                Print(await WatchLook.OnceAsync(setting, ct));
                return 0;
            }
            await ForeverAsync(setting, parsed.GetValue(every) ?? TimeSpan.FromDays(1), Print, ct);
            return 0;
        });
        return command;
    }

    /// <summary>Ends only with what no waiting mends, such as a menu that was retired.</summary>
    private static async Task ForeverAsync(WatchSetting setting, TimeSpan every, Action<WatchReport> print, CancellationToken ct)
    {
        var pause = FirstPause;
        while (true)
        {
            try
            {
                print(await WatchLook.OnceAsync(setting, ct));
                pause = FirstPause;
                await Task.Delay(every, ct);
            }
            // A service that stops cancels what it was asked, and nobody here did.
            catch (Exception e) when (e is PassingException || (e is OperationCanceledException && !ct.IsCancellationRequested))
            {
                await Console.Error.WriteLineAsync($"billing: {e.Message}; looking again in {pause.TotalSeconds:0} s");
                await Task.Delay(pause, ct);
                pause = pause * 2 < LongestPause ? pause * 2 : LongestPause;
            }
        }
    }

    private static long? Without(string? text)
    {
        if (text is null) return null;
        var number = text;
        try
        {
            if (!long.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out _)) number = File.ReadAllText(text).Trim();
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new PassingException($"--without-plan {text}: {e.Message}");
        }
        return long.TryParse(number, NumberStyles.None, CultureInfo.InvariantCulture, out var n) ? n : throw new PassingException($"--without-plan {text} is neither a whole number nor a file that holds one");
    }

    private static TimeSpan? Duration(System.CommandLine.Parsing.ArgumentResult result, string option, int daysMax)
    {
        var text = result.Tokens[0].Value;
        if (text.Length > 1 && int.TryParse(text[..^1], NumberStyles.None, CultureInfo.InvariantCulture, out var n) && n is > 0 and <= 10_000)
            switch (text[^1])
            {
                case 's': return TimeSpan.FromSeconds(n);
                case 'm': return TimeSpan.FromMinutes(n);
                case 'h': return TimeSpan.FromHours(n);
                case 'd' when n <= daysMax: return TimeSpan.FromDays(n);
            }
        result.AddError($"{option} {text} is not a time such as 30m, 6h or 7d ({daysMax}d at most)");
        return null;
    }
}
