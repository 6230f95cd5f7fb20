using System.Globalization;
using PlanDesign.Screening;
using PlanDesign.Screening.Certificates;
using PlanDesign.Screening.Constraints;
using PlanDesign.Screening.Rounding;

namespace PlanDesign.Menus;

/// <param name="Field">Of the document, by path.</param>
/// <param name="Detail">What it says and what it should.</param>
public sealed record MenuFinding(string Field, string Detail);

/// <summary>What computing a menu anew came to.</summary>
/// <param name="Findings">What does not hold; none where all does.</param>
/// <param name="Figures">As they were computed, whatever the menu says; null where it did not come so far.</param>
/// <param name="OldForm">What a menu of an earlier form does not say, or said otherwise: sentences. Such a menu holds; what it leaves open is not proved.</param>
public sealed record MenuRecomputation(IReadOnlyList<MenuFinding> Findings, RecomputedFigures? Figures, IReadOnlyList<string> OldForm)
{
    internal static MenuRecomputation Stopped(IReadOnlyList<MenuFinding> findings) => new(findings, null, []);
}

/// <summary>Of a menu, computed anew from its market, rules, units and plans. Money per conversation.</summary>
/// <param name="ExitReason">As the solver ended, snake_case.</param>
/// <param name="UpperBound">No menu of this kind earns more at exact prices.</param>
/// <param name="UpperBoundInMinorUnits">Nor in minor units under every rule; null where that is not known.</param>
public sealed record RecomputedFigures(
    string ExitReason, double Profit, double UpperBound, double? UpperBoundInMinorUnits, double MaxIncentiveViolation, double MaxParticipationViolation);

/// <summary>
/// Checks the claims of a menu against its own market, from nothing else: the bound is computed anew by the certificate's code, every customer
/// chooses anew among the plans as they stand, and what those choices pay, cost and violate is compared with what the menu says. Agreement is
/// within <see cref="Tolerance"/>, for another processor may round the last bits otherwise. The menu is also solved anew, for the market, rules and units
/// that it names: it must end as it says, keep its rules, and no menu of its kind may earn more.
/// </summary>
public static class MenuVerification
{
    /// <summary>In parts of the value of an answer for money, of itself for a rate, absolute for a share.</summary>
    public const double Tolerance = 1e-9;

    public static MenuRecomputation Recompute(MenuDocument document, IProgress<double>? progress = null, CancellationToken cancellation = default)
    {
        var findings = new List<MenuFinding>();
        var reading = MarketJson.Read(document.Market);
        if (reading.Market is not { } market) return MenuRecomputation.Stopped([new($"market.{reading.Fault!.Field}", reading.Fault.Detail)]);
        MenuConstraints? rules;
        try
        {
            rules = document.Constraints is { } json ? MenuConstraintsJson.Read(json) : null;
        }
        catch (FormatException e)
        {
            return MenuRecomputation.Stopped([new("constraints", e.Message)]);
        }
        try
        {
            if (SaleTerms.Read(document.Terms).Check(document.ConversationsPerPeriod) is { } wrong) findings.Add(new("terms", wrong.Detail));
        }
        catch (FormatException e)
        {
            findings.Add(new("terms", e.Message));
        }
        CheckPlans(document, findings);
        if (findings.Count > 0) return MenuRecomputation.Stopped(findings);

        findings.AddRange(MenuRules.Broken(document, rules));
        var options = DraftMenuDecision.OptionsFor(document.PlansMax, document.Currency, document.ConversationsPerPeriod, rules);
        var anew = MenuSolver.Solve(market, options, progress, cancellation);
        if (anew.Fault is { } fault) return MenuRecomputation.Stopped([.. findings, new(fault.Field, fault.Detail)]);
        var bound = anew.Certificate.UpperBound;
        CompareMoney("certificate.upperBound", document.Solved.Certificate.UpperBound, bound);
        CompareMoney("profitUnlimited", document.Solved.ProfitUnlimited, anew.ProfitWithoutLimit);
        if (document.Solved.Certificate.Gap < -Tolerance * market.ValuePerAnswer)
            findings.Add(new("certificate.gap", string.Create(CultureInfo.InvariantCulture, $"is {document.Solved.Certificate.Gap:R}: no menu earns more than its bound")));
        var oldForm = new List<string>();
        CheckWhatIsBounded(document.Solved.Certificate, market, anew, CompareMoney, findings, oldForm);
        var reason = DraftMenuDecision.SnakeCase(anew.ExitReason.ToString());
        // Before it was said what is bounded, a search of all menus under rules on prices was called optimal, whether or not other code could check it.
        if (document.Solved.Certificate.UpperBoundOf is null && anew is { ExitReason: ExitReason.WithinBound, Rounding.SearchEnded: true } && document.Solved.ExitReason == "optimal")
        {
            reason = "optimal";
            oldForm.Add(string.Create(CultureInfo.InvariantCulture, $"says optimal, which a search of all menus was called before other code had to agree: that proves only that none earns more than {anew.Rounding.UpperBoundAtTypes ?? bound:G6} from the types"));
        }
        if (document.Solved.ExitReason != reason) findings.Add(new("exitReason", $"says {document.Solved.ExitReason}, solved anew it is {reason}"));
        // Rounded on some caps only claims no more than it earns: which caps are tried has changed, and a menu from before may earn less.
        else if (anew.ExitReason != ExitReason.RoundedOnMenuCaps && document.Solved.Profit < anew.Profit - Tolerance * market.ValuePerAnswer)
            findings.Add(new("exitReason", string.Create(CultureInfo.InvariantCulture, $"says {reason}, and a menu of the same kind earns {anew.Profit:R}")));
        if (Responses(document, market, rules) is not { } menu) return MenuRecomputation.Stopped([.. findings, new("plans", "have caps that this market does not have")]);
        CompareMoney("profit", document.Solved.Profit, menu.Profit);
        CompareMoney("revenue", document.Solved.Revenue, menu.Revenue);
        CompareMoney("servingCost", document.Solved.ServingCost, menu.ServingCost);
        CompareMoney("certificate.gap", document.Solved.Certificate.Gap, bound - menu.Profit);
        var grid = market.Grid(cancellation: cancellation);
        var (incentive, participation) = MenuViolations.Of(new CheckerTables(market, grid.CapTokensMax, cancellation: cancellation), menu.Tiers, menu.CapTokensByType, menu.PriceByType);
        CompareMoney("certificate.maxIncentiveViolation", document.Solved.Certificate.MaxIncentiveViolation, incentive);
        CompareMoney("certificate.maxParticipationViolation", document.Solved.Certificate.MaxParticipationViolation, participation);
        foreach (var (plan, n) in document.Solved.Tiers.Select((p, n) => (p, n)))
        {
            var tier = menu.Tiers.FirstOrDefault(t => t.CapTokens == plan.CapTokens);
            Compare($"plans[{n}].share", plan.Share, tier?.Share ?? 0, Tolerance);
            if (tier is null) continue;
            Compare($"plans[{n}].urgencyFromPerSecond", plan.UrgencyFromPerSecond, tier.UrgencyFromPerSecond, Tolerance * Math.Max(1e-6, tier.UrgencyFromPerSecond));
            Compare($"plans[{n}].urgencyToPerSecond", plan.UrgencyToPerSecond, tier.UrgencyToPerSecond, Tolerance * Math.Max(1e-6, tier.UrgencyToPerSecond));
        }
        var ended = DraftMenuDecision.SnakeCase(anew.ExitReason.ToString());
        return new(findings, new(ended, menu.Profit, bound, anew.Rounding?.UpperBound, incentive, participation), oldForm);

        void CompareMoney(string field, double said, double found) => Compare(field, said, found, Tolerance * market.ValuePerAnswer + 1e-12 * Math.Abs(found));

        void Compare(string field, double said, double found, double tolerance)
        {
            if (!(Math.Abs(said - found) <= tolerance)) findings.Add(new(field, string.Create(CultureInfo.InvariantCulture, $"says {said:R}, recomputed {found:R}")));
        }
    }

    private static void CheckWhatIsBounded(
        MenuCertificate said, Market market, MenuSolution anew, Action<string, double, double> compare, List<MenuFinding> findings, List<string> oldForm)
    {
        if (said.UpperBoundOf is null)
        {
            // A menu said none of the three, or all that are known.
            if (said.UpperBoundInMinorUnits is not null) findings.Add(new("certificate.upperBoundInMinorUnits", "is given without upperBoundOf"));
            if (said.UpperBoundAtTypes is not null) findings.Add(new("certificate.upperBoundAtTypes", "is given without upperBoundOf"));
            oldForm.Add("does not say what its bound is of, nor what the minor unit allows, for it is from before menus did");
            return;
        }
        if (said.UpperBoundOf != MenuCertificate.ExactPrices) findings.Add(new("certificate.upperBoundOf", $"is {said.UpperBoundOf}, and the bound recomputed is of {MenuCertificate.ExactPrices}"));
        // Before patient customers were thought of there, intervals were bounded at their urgent ends.
        if (market.Urgency is { HasIntervals: true, HasDensity: false } && said.UpperBoundInMinorUnits is not null && said.UpperBoundInMinorUnits == said.UpperBoundAtTypes)
            oldForm.Add("has in upperBoundInMinorUnits what no menu exceeds at the urgent ends of its intervals, and customers may be more patient");
        else Bound("certificate.upperBoundInMinorUnits", said.UpperBoundInMinorUnits, anew.Rounding?.UpperBound);
        Bound("certificate.upperBoundAtTypes", said.UpperBoundAtTypes, anew.Rounding?.UpperBoundAtTypes);

        void Bound(string field, double? saidBound, double? found)
        {
            if ((saidBound is null) != (found is null)) findings.Add(new(field, saidBound is null ? "is missing" : "is given, and solved anew no such bound is known"));
            else if (saidBound is { } bound) compare(field, bound, found!.Value);
        }
    }

    /// <summary>What follows from the document alone: ids, names, fees and prices.</summary>
    private static void CheckPlans(MenuDocument document, List<MenuFinding> findings)
    {
        var unit = document.Currency.MinorUnit.Value;
        for (var n = 0; n < document.Solved.Tiers.Count; n++)
        {
            var plan = document.Solved.Tiers[n];
            if (plan.PlanId != DraftMenuDecision.PlanId(document.DraftedAt, document.MenuId, plan.CapTokens))
                findings.Add(new($"plans[{n}].planId", "is not the id that the menu, its time and the cap give"));
            if (plan.Name != DraftMenuDecision.PlanName(plan.CapTokens)) findings.Add(new($"plans[{n}].name", $"says {plan.Name}, its cap is {DraftMenuDecision.PlanName(plan.CapTokens)}"));
            if (plan.PeriodFee.Value % unit != 0) findings.Add(new($"plans[{n}].periodFeeMicros", $"is no whole number of {document.Currency} minor units"));
            var price = plan.PeriodFee.Value / 1e6 / document.ConversationsPerPeriod;
            if (!(Math.Abs(plan.PricePerConversation - price) <= Tolerance * Math.Max(price, 1e-6)))
                findings.Add(new($"plans[{n}].pricePerConversation", string.Create(CultureInfo.InvariantCulture, $"says {plan.PricePerConversation:R}, the fee over {document.ConversationsPerPeriod} conversations is {price:R}")));
            if (n > 0 && plan.CapTokens >= document.Solved.Tiers[n - 1].CapTokens) findings.Add(new($"plans[{n}].capTokens", "is not below the cap before it"));
        }
    }

    /// <summary>Every customer's best response to the plans as they stand, ties to the plan that the menu means; null for caps beyond the market's.</summary>
    private static Menu? Responses(MenuDocument document, Market market, MenuConstraints? rules)
    {
        var grid = market.Grid();
        var tables = new MarketTables(market, grid);
        var units = DraftMenuDecision.OptionsFor(null, document.Currency, document.ConversationsPerPeriod).MinorUnits!;
        var (steps, below) = (new List<PriceStep>(), 0L);
        foreach (var plan in document.Solved.Tiers.Reverse())
        {
            if (plan.CapTokens < 1 || plan.CapTokens > grid.CapTokensMax) return null;
            var fee = plan.PeriodFee.Value / document.Currency.MinorUnit.Value;
            var free = plan.CapTokens == rules?.FreeTierCapTokens;
            var cutoff = free ? grid.Types.Count - 1 : Array.FindLastIndex(grid.Types.RatesPerSecond, r => r <= plan.UrgencyToPerSecond * (1 + Tolerance));
            steps.Add(new(plan.CapTokens, cutoff, fee - below));
            below = fee;
        }
        return RoundedMenu.Of(market, tables, units, [.. steps]).WithFreeTier(tables, rules?.FreeTierCapTokens ?? 0, fee: 0);
    }
}
