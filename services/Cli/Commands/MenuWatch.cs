using System.CommandLine;
using System.Globalization;
using System.Text.Json;
using Contracts.PlanDesign.V1;
using Google.Protobuf.WellKnownTypes;
using Grpc.Core;
using Hosting;
using Kernel;
using Microsoft.Extensions.Options;
using PlanDesign;
using PlanDesign.Estimation;
using PlanDesign.Host;
using PlanDesign.Menus;
using PlanDesign.Screening;
using Solving = PlanDesign.Screening.SolveOptions;

namespace Cli.Commands;

/// <summary>What the watch compares with: everything up to <paramref name="Until"/>, and the draft that it made last.</summary>
/// <param name="Customers">By plan, at <paramref name="Until"/>.</param>
public sealed record WatchBaseline(string MenuId, DateTimeOffset From, DateTimeOffset Until, IReadOnlyDictionary<string, long> Customers, string? DraftedMenuId);

/// <summary>
/// <c>billing menu watch menu_… --state FILE [--every 1d|--once] [--on drift|schedule]</c>: looks at the market of the menu on sale as usage and billing
/// see it, and drafts a new menu with its evidence when that surely earns more. It never publishes: a person does. The first look only
/// remembers what there is to compare with.
/// </summary>
public static class MenuWatch
{
    private sealed record Setting(Uri PlanDesign, Neighbours Neighbours, string MenuId, string StateFile, bool OnSchedule, double GainMin, double Level);

    public static Command Create()
    {
        var id = new Argument<string>("ID") { Description = "The menu on sale." };
        var state = new Option<string>("--state") { HelpName = "FILE", Description = "Where the watch remembers what it compares with.", Required = true };
        var every = new Option<TimeSpan?>("--every") { HelpName = "30m|6h|7d", Description = "How often it looks (default 1d).", CustomParser = Duration };
        var once = new Option<bool>("--once") { Description = "Look once, and end." };
        var on = new Option<string>("--on") { HelpName = "drift|schedule", Description = "Estimate anew only when the market moved (default), or at every look.", DefaultValueFactory = _ => "drift" };
        on.AcceptOnlyFromAmong("drift", "schedule");
        var gain = new Option<double>("--gain-min") { HelpName = "AMOUNT", Description = "Draft only if the gain a conversation is surely above this (default 0)." };
        var level = new Option<double>("--level") { HelpName = "P", Description = "The chance of a false alarm in one look (default 0.01).", DefaultValueFactory = _ => DriftTest.LevelDefault };
        var (planDesign, usage, billing) = (ServiceAddress.PlanDesign(), ServiceAddress.Usage(), ServiceAddress.Billing());
        var command = new Command("watch", "Watches the market of the menu on sale, and drafts a better one when there is one. Never publishes.")
        {
            id, state, every, once, on, gain, level, planDesign, usage, billing,
        };
        command.SetAction(async (parsed, ct) =>
        {
            if (!Ids.TryParse(Ids.Menu, parsed.GetValue(id), out _)) throw new UserException($"{parsed.GetValue(id)} is not menu_ and 32 lower-case hex digits");
            if (parsed.GetValue(level) is not (> 0 and < 1)) throw new UserException("--level must lie between 0 and 1");
            using var neighbours = new Neighbours(Options.Create(new PlanDesignOptions { UsageAddress = parsed.GetValue(usage)!.OriginalString, BillingAddress = parsed.GetValue(billing)!.OriginalString }),
                Options.Create(new OutgoingOptions
                {
                    Key = Environment.GetEnvironmentVariable(ServiceChannel.KeyVariable)?.Trim() ?? "", Authority = Environment.GetEnvironmentVariable(ServiceChannel.AuthorityVariable),
                }));
            var setting = new Setting(parsed.GetValue(planDesign)!, neighbours, parsed.GetValue(id)!, parsed.GetValue(state)!, parsed.GetValue(on) == "schedule", parsed.GetValue(gain), parsed.GetValue(level));
            while (true)
            {
                await LookAsync(setting, ct);
                if (parsed.GetValue(once)) return 0;
                await Task.Delay(parsed.GetValue(every) ?? TimeSpan.FromDays(1), ct);
            }
        });
        return command;
    }

    private static async Task LookAsync(Setting setting, CancellationToken ct)
    {
        var (menu, document) = await MenuOf(setting, ct);
        var now = await PlanDesignCalls.NowAsync(setting.PlanDesign, ct);
        var baseline = await ReadAsync(setting.StateFile, ct);
        if (baseline is not null && baseline.MenuId != setting.MenuId) throw new UserException($"{setting.StateFile} is about {baseline.MenuId}: give every menu a file of its own");
        try
        {
            var customers = await setting.Neighbours.CustomersByPlanAsync(setting.MenuId, ct);
            if (baseline is null)
            {
                var seen = await setting.Neighbours.ConversationsAsync(menu.PublishedAt, now.ToTimestamp(), ct);
                await WriteAsync(setting.StateFile, new(setting.MenuId, menu.PublishedAt.ToDateTimeOffset(), now, customers, null), ct);
                Console.Out.WriteLine($"{Time(now)}  remembered {seen.Count:#,0} conversations and {customers.Values.Sum():#,0} customers to compare with");
                return;
            }
            var before = await ObservedAsync(setting, document, baseline.From, baseline.Until, baseline.Customers, ct);
            var since = await ObservedAsync(setting, document, baseline.Until, now, customers.ToDictionary(c => c.Key, c => Math.Max(0, c.Value - baseline.Customers.GetValueOrDefault(c.Key))), ct);
            var found = await ProgressBar.During("looking", _ => Adapt(before, since, document, setting, ct), ct);
            Console.Out.WriteLine($"{Time(now)}  {found.Sentence}");
            if (found.Decision == AdaptationDecision.DraftMenu) await DraftAsync(setting, baseline, document, found, now, ct);
        }
        catch (RefusedException e)
        {
            throw new UserException(e.Refusal.Detail);
        }
    }

    private static MenuAdaptation Adapt(MarketObservations before, MarketObservations since, MenuDocument document, Setting setting, CancellationToken ct) => MenuAdaptation.Of(
        before, since, [.. document.Solved.Tiers.Select(t => new PlanOffer(t.CapTokens, t.PricePerConversation))], new EstimationOptions(), SolvingOf(document),
        new AdaptationOptions(setting.Level, setting.GainMin) { IsDue = setting.OnSchedule }, ct);

    private static Solving SolvingOf(MenuDocument document) => DraftMenuDecision.OptionsFor(document.PlansMax, document.Currency, document.ConversationsPerPeriod,
        document.Constraints is { } json ? PlanDesign.Screening.Constraints.MenuConstraintsJson.Read(json) : null);

    private static async Task DraftAsync(Setting setting, WatchBaseline baseline, MenuDocument document, MenuAdaptation found, DateTimeOffset now, CancellationToken ct)
    {
        if (baseline.DraftedMenuId is { } earlier)
        {
            var standing = await PlanDesignCalls.AskAsync(setting.PlanDesign, plans => plans.GetMenuAsync(new() { MenuId = earlier }, cancellationToken: ct).ResponseAsync);
            if (standing.Status == MenuStatus.Solved)
            {
                Console.Out.WriteLine($"{earlier} is drafted already and waits for a person: billing menu show {earlier}");
                return;
            }
        }
        var request = new DraftMenuRequest
        {
            Name = document.Name,
            Market = found.Estimate!.Market!.ToMessage(),
            PlansMax = document.PlansMax ?? 0,
            Currency = document.Currency.Code,
            ConversationsPerPeriod = document.ConversationsPerPeriod,
            Models = { document.Models },
            Constraints = SolvingOf(document).Constraints?.ToMessage(),
            Evidence = $"{found.Sentence}. {found.Drift.Lengths.Sentence}; {found.Drift.PlanShares.Sentence}",
        };
        // A look that is cut off after the draft and tried again meets the same draft.
        var key = new Metadata { { IdempotentCalls.Metadata, $"watch-{setting.MenuId}-{now.ToUnixTimeMilliseconds()}" } };
        var draft = await PlanDesignCalls.AskAsync(setting.PlanDesign, plans => plans.DraftMenuAsync(request, key, cancellationToken: ct).ResponseAsync);
        await WriteAsync(setting.StateFile, baseline with { DraftedMenuId = draft.MenuId }, ct);
        Console.Out.WriteLine($"drafted {draft.MenuId}: look at it with billing menu show {draft.MenuId}, and publish it with billing menu publish {draft.MenuId}");
    }

    private static async Task<(Menu Menu, MenuDocument Document)> MenuOf(Setting setting, CancellationToken ct)
    {
        var menu = await PlanDesignCalls.AskAsync(setting.PlanDesign, plans => plans.GetMenuAsync(new() { MenuId = setting.MenuId, IncludeSignedDocument = true }, cancellationToken: ct).ResponseAsync);
        if (menu.SignedDocument.Length == 0) throw new UserException($"{setting.MenuId} is not published: only a menu on sale can be watched");
        using var parsed = JsonDocument.Parse(menu.SignedDocument);
        var (document, fault) = MenuDocument.Read(parsed.RootElement.GetProperty("menu"));
        return (menu, document ?? throw new UserException(fault!.ToString()));
    }

    private static async Task<MarketObservations> ObservedAsync(Setting setting, MenuDocument document, DateTimeOffset from, DateTimeOffset to, IReadOnlyDictionary<string, long> customers, CancellationToken ct)
    {
        var market = MarketJson.Read(document.Market).Market ?? throw new UserException("the market of the menu cannot be read by this version");
        return new(
            await setting.Neighbours.ConversationsAsync(from.ToTimestamp(), to.ToTimestamp(), ct),
            [new([.. document.Solved.Tiers.Select(t => new PlanDesign.Estimation.PlanBought(t.PlanId, t.CapTokens, t.PricePerConversation, customers.GetValueOrDefault(t.PlanId)))])],
            market.TokensPerSecond, market.ValuePerAnswer, market.ServingCostPerToken);
    }

    private static async Task<WatchBaseline?> ReadAsync(string file, CancellationToken ct)
    {
        if (!File.Exists(file)) return null;
        try
        {
            return JsonSerializer.Deserialize<WatchBaseline>(await File.ReadAllTextAsync(file, ct), JsonSerializerOptions.Web);
        }
        catch (Exception e) when (e is JsonException or IOException or UnauthorizedAccessException)
        {
            throw new UserException($"{file}: {e.Message}");
        }
    }

    private static Task WriteAsync(string file, WatchBaseline baseline, CancellationToken ct) => MenuPageCommand.WriteAsync(file, JsonSerializer.Serialize(baseline, JsonSerializerOptions.Web) + "\n", ct);

    private static TimeSpan? Duration(System.CommandLine.Parsing.ArgumentResult result)
    {
        var text = result.Tokens[0].Value;
        if (text.Length > 1 && int.TryParse(text[..^1], NumberStyles.None, CultureInfo.InvariantCulture, out var n) && n is > 0 and <= 10_000)
            switch (text[^1])
            {
                case 's': return TimeSpan.FromSeconds(n);
                case 'm': return TimeSpan.FromMinutes(n);
                case 'h': return TimeSpan.FromHours(n);
                case 'd' when n <= 24: return TimeSpan.FromDays(n);
            }
        result.AddError($"--every {text} is not a time such as 30m, 6h or 7d (24d at most)");
        return null;
    }

    private static string Time(DateTimeOffset at) => at.ToString("yyyy-MM-dd HH:mm'Z'", CultureInfo.InvariantCulture);
}
