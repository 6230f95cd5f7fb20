using System.Security.Cryptography;
using System.Text.Json;
using Contracts.PlanDesign.V1;
using Google.Protobuf;
using Google.Protobuf.WellKnownTypes;
using Grpc.Core;
using Hosting;
using PlanDesign;
using PlanDesign.Estimation;
using PlanDesign.Host;
using PlanDesign.Menus;
using PlanDesign.Screening;
using Solving = PlanDesign.Screening.SolveOptions;

namespace Cli.Commands;

/// <param name="WithoutPlan">How many have seen the menu and bought nothing until now; null where nobody counts them.</param>
internal sealed record WatchSetting(
    Uri PlanDesign, Neighbours Neighbours, string MenuId, string StateFile, AdaptationOptions Adaptation, EstimationOptions Estimation, Func<long?> WithoutPlan);

/// <summary>
/// One look at the market of the menu on sale. The first ones only remember, until there is enough to compare with; a later one compares the recent time with that, and drafts a
/// menu where that surely earns more (<see cref="MarketWatch"/>). A look that is cut off anywhere and tried again drafts once.
/// </summary>
internal static class WatchLook
{
    public static async Task<WatchReport> OnceAsync(WatchSetting setting, CancellationToken ct)
    {
        var (menu, document) = await MenuOf(setting, ct);
        var now = await PlanDesignCalls.NowAsync(setting.PlanDesign, ct);
        var state = await WatchState.ReadAsync(setting.StateFile, ct);
        if (state is not null && state.MenuId != setting.MenuId) throw new UserException($"{setting.StateFile} is about {state.MenuId}: give every menu a file of its own");
        var without = setting.WithoutPlan();
        try
        {
            if (state is not null && without is null != state.WithoutPlan is null)
                throw new UserException($"{setting.StateFile} was begun {(without is null ? "with" : "without")} --without-plan, and cannot be compared: go on like that, or begin a file of its own");
            state ??= WatchState.Begin(setting.MenuId, menu.PublishedAt.ToDateTimeOffset(), counted: without is not null);
            var refusedBefore = (string?)null;
            if (state.Pending is not null) (state, refusedBefore) = await AskAsync(setting, state, ct);
            var counted = state.Marks.Count > 0 ? state.Marks[^1].WithoutPlan : state.WithoutPlan;
            if (without < counted) throw new UserException($"--without-plan is {without}, and was {counted} before: give how many bought nothing since the menu is on sale");
            var look = await ProgressBar.During("looking", _ => MarketWatch.LookAsync(state.Time, now, without, SourceOf(setting, document, ct), setting.Estimation, SolvingOf(document), setting.Adaptation, ct), ct);
            state = state.At(look.Time);
            await state.WriteAsync(setting.StateFile, ct);
            var report = WatchReport.Of(now, setting.MenuId, look);
            if (refusedBefore is not null) report = report with { Sentence = $"what an earlier look wanted drafted is given up: {Refused(refusedBefore)}\n{report.Sentence}" };
            return look.Adaptation is { Decision: AdaptationDecision.DraftMenu } found ? await DraftAsync(setting, state, document, found, report, ct) : report;
        }
        catch (RefusedException e)
        {
            throw e.Refusal.Code switch
            {
                "usage_unreachable" or "billing_unreachable" => new PassingException(e.Refusal.Detail),
                // The only size that a look reads is how many conversations there are, and no option of a service says that here.
                "market_too_large" => new UserException($"there are more than {new PlanDesignOptions().ObservationsMax} conversations in the time that is looked at: give a shorter --window"),
                _ => new UserException(e.Refusal.Detail),
            };
        }
    }

    private static Solving SolvingOf(MenuDocument document) => DraftMenuDecision.OptionsFor(document.PlansMax, document.Currency, document.ConversationsPerPeriod,
        document.Constraints is { } json ? PlanDesign.Screening.Constraints.MenuConstraintsJson.Read(json) : null);

    /// <summary>What is to be drafted is written down first: whoever is cut off before she hears of the draft asks for the same one again, not for another.</summary>
    private static async Task<WatchReport> DraftAsync(WatchSetting setting, WatchState state, MenuDocument document, MenuAdaptation found, WatchReport report, CancellationToken ct)
    {
        var beside = "";
        if (state.DraftedMenuId is { } earlier)
        {
            var standing = await PlanDesignCalls.AskAsync(setting.PlanDesign, plans => plans.GetMenuAsync(new() { MenuId = earlier }, cancellationToken: ct).ResponseAsync);
            if (!found.IsSurelyBetterThan([.. standing.Plans.Select(p => new PlanOffer((int)p.ConversationCapTokens, p.PricePerConversation))], setting.Adaptation.GainMin))
                return report with { DraftedMenuId = standing.Status == MenuStatus.Solved ? earlier : null, Sentence = $"{report.Sentence}\n{Standing(standing)}" };
            if (standing.Status == MenuStatus.Solved) beside = $"; it surely earns more than {earlier}, which waits too: discard that with billing menu retire {earlier}";
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
            Evidence = report.Sentence,
            Terms = document.Terms is { } terms ? SaleTermsMessages.ToMessage(PlanDesign.Menus.SaleTerms.Read(terms)) : null,
        };
        var key = $"watch-{setting.MenuId}-{Convert.ToHexStringLower(SHA256.HashData(request.ToByteArray()))[..32]}";
        state = state with { Pending = new(key, JsonFormatter.Default.Format(request)) };
        await state.WriteAsync(setting.StateFile, ct);
        (state, var refused) = await AskAsync(setting, state, ct);
        if (refused is not null) return report with { Sentence = $"{report.Sentence}\nnothing is drafted: {Refused(refused)}" };
        var id = state.DraftedMenuId;
        return report with { DraftedMenuId = id, Sentence = $"{report.Sentence}\ndrafted {id}: look at it with billing menu show {id}, and publish it with billing menu publish {id}{beside}" };
    }

    /// <summary>Why nothing is drafted beside an earlier draft.</summary>
    private static string Standing(Menu drafted) => drafted.Status switch
    {
        MenuStatus.Published => $"{drafted.MenuId} was drafted for that and is on sale: watch it instead",
        MenuStatus.Retired or MenuStatus.Discarded => $"{drafted.MenuId} was drafted for that and is {(drafted.PublishedAt is null ? "discarded" : "off sale again")}; nothing is drafted that does not surely earn more than it",
        _ => $"{drafted.MenuId} is drafted already and waits for a person: look at it with billing menu show {drafted.MenuId}, and publish it with billing menu publish, or discard it with billing menu retire",
    };

    private static string Refused(string why) => $"plan design refuses it, and does so until somebody changes that: {why}";

    /// <returns>The state without what was pending, and why that was refused for good; null where it was drafted.</returns>
    private static async Task<(WatchState State, string? Refused)> AskAsync(WatchSetting setting, WatchState state, CancellationToken ct)
    {
        var asked = state.Pending!;
        var (request, key) = (JsonParser.Default.Parse<DraftMenuRequest>(asked.Request), new Metadata { { IdempotentCalls.Metadata, asked.Key } });
        string? refused = null;
        try
        {
            var draft = await ProgressBar.During("drafting", _ => PlanDesignCalls.AskAsync(setting.PlanDesign, plans => plans.DraftMenuAsync(request, key, cancellationToken: ct).ResponseAsync), ct);
            state = state with { DraftedMenuId = draft.MenuId, Pending = null };
        }
        // Asked for again, it would be refused again, and nothing would ever be looked at.
        catch (RefusedCallException e)
        {
            (state, refused) = (state with { Pending = null }, e.Message);
        }
        // A busy service is quicker another time. One that is as slow every time would be asked for ever.
        catch (PassingException e) when (e.Reason == "solve_too_long")
        {
            var tooLong = asked.TooLong + 1;
            if (tooLong < PendingDraft.TooLongMax)
            {
                await (state with { Pending = asked with { TooLong = tooLong } }).WriteAsync(setting.StateFile, ct);
                throw;
            }
            (state, refused) = (state with { Pending = null }, $"{tooLong} times, {e.Message}");
        }
        await state.WriteAsync(setting.StateFile, ct);
        return (state, refused);
    }

    private static async Task<(Menu Menu, MenuDocument Document)> MenuOf(WatchSetting setting, CancellationToken ct)
    {
        var menu = await PlanDesignCalls.AskAsync(setting.PlanDesign, plans => plans.GetMenuAsync(new() { MenuId = setting.MenuId, IncludeSignedDocument = true }, cancellationToken: ct).ResponseAsync);
        if (menu.Status == MenuStatus.Retired && menu.PublishedAt is not null) throw new UserException($"{setting.MenuId} was retired, and nobody chooses from it any more: watch the menu that is on sale");
        if (menu.SignedDocument.Length == 0) throw new UserException($"{setting.MenuId} is not published: only a menu on sale can be watched");
        using var parsed = JsonDocument.Parse(menu.SignedDocument);
        var (document, fault) = MenuDocument.Read(parsed.RootElement.GetProperty("menu"));
        return (menu, document ?? throw new UserException(fault!.ToString()));
    }

    private static WatchSource SourceOf(WatchSetting setting, MenuDocument document, CancellationToken ct)
    {
        var market = MarketJson.Read(document.Market).Market ?? throw new UserException("the market of the menu cannot be read by this version");
        return new(
            (from, to) => setting.Neighbours.ConversationsAsync(from.ToTimestamp(), to.ToTimestamp(), ct),
            async (from, to) =>
            {
                var chose = await setting.Neighbours.CustomersByPlanAsync(setting.MenuId, ct, from.ToTimestamp(), to.ToTimestamp());
                return [.. document.Solved.Tiers.Select(t => new PlanDesign.Estimation.PlanBought(t.PlanId, t.CapTokens, t.PricePerConversation, chose.GetValueOrDefault(t.PlanId)))];
            },
            market.TokensPerSecond, market.ValuePerAnswer, market.ServingCostPerToken);
    }
}
