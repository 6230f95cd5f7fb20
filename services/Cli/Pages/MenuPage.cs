using System.Globalization;
using System.Net;
using System.Text;
using Cli.Commands;
using PlanDesign.Reports;
using PlanDesign.Screening;
using static Cli.Pages.MenuCharts;

namespace Cli.Pages;

/// <summary>
/// A menu as one self-contained page for people who decide: no network, no script, readable on a phone, in print, light and dark. Every figure in
/// it is a <c>data</c> element with its full value, by name, so that a program can read it back. The same input gives the same bytes.
/// </summary>
internal static class MenuPage
{
    private static readonly Dictionary<string, string> TariffNames = new()
    {
        ["menu"] = "this menu", ["menuWithoutLimit"] = "any number of plans", ["onePlan"] = "one plan", ["payPerToken"] = "pay per token",
        ["twoPartTariff"] = "two-part tariff", ["flatFee"] = "flat fee", ["tokenMarket"] = "token market", ["runningMenu"] = "menu on sale now",
    };

    public static string Of(string title, MenuAsked asked, MenuAnalysis analysis, IReadOnlyList<SensitivityPoint> sensitivity, FrontierReport frontier)
    {
        var (menu, page) = (analysis.Solution, new StringBuilder());
        page.Append(CultureInfo.InvariantCulture, $"""
            <!doctype html>
            <html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width,initial-scale=1">
            <title>{Html(title)}</title><style>{MenuPageStyle.Css}</style></head><body><main>
            <header><p class="kicker">Plan design · token caps and prices</p><h1>{Html(title)}</h1>{Lead(asked, menu)}</header>
            """);
        foreach (var notice in analysis.Notices.Concat(Sensitivity.WithoutFigures(sensitivity)).Concat(frontier.Notices)) page.Append(CultureInfo.InvariantCulture, $"""<p class="notice">{Html(Sentence(notice))}</p>""");
        if (menu.Tiers.Count > 0) page.Append(Cards(asked, analysis)).Append(TheMenu(asked, analysis));
        var tariffs = TariffReport.All(analysis.Comparison!);
        if (menu.Tiers.Count > 0 || tariffs.Any(t => t.Profit > 0)) page.Append(Others(asked, tariffs));
        if (sensitivity.Count > 1)
            page.Append(Section("If the market is not as assumed", Grid(
                Figure("Sensitivity", Sensitivities(sensitivity), "Hollow: this menu stays on sale, customers choose anew. Full: the best menu for that market."),
                SensitivityTable(sensitivity))));
        if (frontier.Capacity.Count > 1)
            page.Append(Section("What capacity earns", Grid(
                frontier.Capacity.Count(row => row.HasFigures) < 2 ? "" : Figure("Profit and revenue along capacity", FrontierChart.Of(frontier), $"{Money(asked)} a conversation, at exact prices. The slope is what one more token earns: what a GPU less costs."),
                FrontierTable(frontier))));
        if (analysis.ConstraintCosts.Count > 0) page.Append(Section("What each rule costs", Rules(analysis)));
        if (analysis.Processes.Count > 0) page.Append(Section("How answers come", Processes(analysis)));
        page.Append(Section("Why this can be believed", Proof(analysis)));
        page.Append("</main></body></html>\n");
        return page.ToString();
    }

    private static string TheMenu(MenuAsked asked, MenuAnalysis analysis)
    {
        var menu = analysis.Solution;
        return Section("The menu", Plans(asked, menu)) + Grid(
            Figure("The cap that each customer gets", AlongUrgency(menu, t => t.CapTokens, "Cap in tokens along urgency", "tokens", MenuForPeople.Counted(asked)), "Tokens a conversation. Caps fall with urgency: patient customers gain more from waiting for a longer answer."),
            Figure("The price that each customer pays", AlongUrgency(menu, t => t.PricePerConversation, "Price along urgency", "a conversation", MenuForPeople.Counted(asked)), $"{Money(asked)} a conversation. {StepPrices(asked)}"),
            analysis.PlanCounts.Count == 0 ? "" : Figure("How many plans", ByNumberOfPlans(analysis.PlanCounts, menu.Tiers.Count(t => t.CapTokens != asked.Options.Constraints?.FreeTierCapTokens), menu.ProfitWithoutLimit), "Revenue and profit a conversation, and the share of the best profit: what one more plan is worth." + (asked.Options.Constraints is null ? "" : " Rules on caps are kept, those on prices are not.")),
            Figure("Who buys what", WhoBuysWhat(menu, MenuForPeople.Counted(asked)), "Each bar is the whole; the colours are the plans."));
    }

    private static string Others(MenuAsked asked, IReadOnlyList<TariffReport> tariffs) =>
        Section("Against other ways of charging", "<p>Each is set as well as it can be, for the same customers, caps and answers.</p>" + Grid(
            Figure("Profit, and what customers keep", Tariffs(tariffs, Name), $"{Money(asked)} a conversation of the whole market."),
            $"<figure>{WinnersAndLosers(tariffs)}<figcaption>If this menu takes their place; shares of {MenuForPeople.Counted(asked)}.</figcaption></figure>") + TariffTable(tariffs, MenuForPeople.Counted(asked)));

    private static string Lead(MenuAsked asked, MenuSolution menu)
    {
        if (menu.Tiers.Count == 0) return """<p class="lead">There is no plan worth offering.</p>""";
        var served = menu.ShareServed;
        var plans = menu.Tiers.Count == 1 ? "One plan" : $"{menu.Tiers.Count} plans";
        return $"""<p class="lead">{plans}, {(menu.Tiers.Count == 1 ? "" : $"from {menu.Tiers[^1].CapTokens:#,0} ")}to {menu.Tiers[0].CapTokens:#,0} tokens a conversation. Customers differ in how urgently they need an answer, which nobody can see; the caps and prices let them sort themselves. {Bought(asked, menu, served)}</p>""";
    }

    private static string Bought(MenuAsked asked, MenuSolution menu, double served) => asked.Conversations?.ByType is null ? $"{Percent(served)} of the market buys."
        : $"{Percent(asked.Period(menu)!.ShareOfCustomersServed)} of customers buy, who have {Percent(served)} of all conversations; below, shares are of conversations where they do not say customers.";

    private static string Cards(MenuAsked asked, MenuAnalysis analysis)
    {
        var menu = analysis.Solution;
        var cards = new StringBuilder("""<div class="cards">""");
        void Card(string name, string label, double value, string shown) =>
            cards.Append(CultureInfo.InvariantCulture, $"""<div><b>{Data(name, value, shown)}</b><span>{Html(label)}</span></div>""");
        Card("profit", $"profit a conversation{(asked.Currency is { } c ? ", " + c : "")}", menu.Profit, Short(menu.Profit));
        if (asked.Period(menu) is { } period) Card("profitPerPeriod", $"profit a customer and period of {Short(period.ConversationsPerCustomer)}", period.Profit, Short(period.Profit));
        // Of what earns nothing there are no parts.
        if (menu.ProfitWithoutLimit > 0)
            Card("shareOfOptimum", "of what any number of plans would earn" + (asked.Options.Constraints is null ? "" : " under the rules on caps"), menu.Profit / menu.ProfitWithoutLimit, Percent(menu.Profit / menu.ProfitWithoutLimit));
        Card("shareServed", $"of {MenuForPeople.Counted(asked)} served", menu.ShareServed, Percent(menu.ShareServed));
        if (asked.Conversations?.ByType is not null && asked.Period(menu)!.ShareOfCustomersServed is var customers) Card("shareOfCustomersServed", "of customers served", customers, Percent(customers));
        Card("consumerSurplus", "left to customers, a conversation", analysis.Comparison!.Menu.ConsumerSurplus, Short(analysis.Comparison.Menu.ConsumerSurplus));
        return cards.Append("</div>").ToString();
    }

    private static string Plans(MenuAsked asked, MenuSolution menu)
    {
        var (period, byType) = (asked.Conversations?.Each, asked.Conversations?.ByType is null ? null : asked.Period(menu));
        List<string> head = ["cap, tokens", "price a conversation"];
        if (period is { } n) head.Add($"price a period of {n:#,0}");
        head.AddRange(byType is null ? ["customers"] : ["price a period", "conversations", "customers"]);
        head.AddRange(["of revenue", "urgency, 1/s"]);
        var rest = menu.Tiers.Count <= MenuForPeople.PlansShown ? "" : $"""<p class="rest">… {menu.Tiers.Count - MenuForPeople.PlansShown:#,0} more: billing menu solve --csv writes all of them.</p>""";
        return Table(head, menu.Tiers.Take(MenuForPeople.PlansShown).Select((t, k) =>
        {
            List<string> row = [$"""<i class="swatch plan{k % 6}"></i>{Data($"plans[{k}].capTokens", t.CapTokens, t.CapTokens.ToString("#,0", CultureInfo.InvariantCulture))}""", Data($"plans[{k}].price", t.PricePerConversation, Short(t.PricePerConversation))];
            if (period is { } each) row.Add(t.PriceMinorUnitsPerPeriod is { } units && asked.Currency is { } c ? Html($"{(c.MinorUnit * units).ToMajorUnits(c)} {c}") : Short(each * t.PricePerConversation));
            if (byType is not null) row.Add(Html(MenuForPeople.FeesOf(t, menu, byType.FeeByType!)));
            row.Add(Data($"plans[{k}].share", t.Share, Percent(t.Share)));
            if (byType is not null) row.Add(Data($"plans[{k}].shareOfCustomers", byType.ShareOfCustomersByTier[k], Percent(byType.ShareOfCustomersByTier[k])));
            row.Add(Percent(menu.Revenue > 0 ? t.Share * t.PricePerConversation / menu.Revenue : 0));
            row.Add(t.UrgencyToPerSecond > PlanDesign.MarketLimits.RatePerSecondMax ? $"{Short(t.UrgencyFromPerSecond)} and up" : $"{Short(t.UrgencyFromPerSecond)} to {Short(t.UrgencyToPerSecond)}");
            return (IReadOnlyList<string>)row;
        })) + rest;
    }

    private static string WinnersAndLosers(IReadOnlyList<TariffReport> tariffs) => Table(["instead of", "better off", "gain", "worse off", "lose"],
        tariffs.Where(t => t.ShareBetter is not null).Select(t => (IReadOnlyList<string>)
        [
            Html(Name(t.Kind)), Data($"{t.Kind}.shareBetter", t.ShareBetter!.Value, Percent(t.ShareBetter.Value)), Short(t.MeanGain!.Value),
            Data($"{t.Kind}.shareWorse", t.ShareWorse!.Value, Percent(t.ShareWorse.Value)), Short(t.MeanLoss!.Value),
        ]));

    private static string TariffTable(IReadOnlyList<TariffReport> tariffs, string counted) => Table(["way of charging", "profit", "against the menu", "revenue", "serving cost", $"{counted} served", .. tariffs[0].ShareOfCustomersServed is null ? Array.Empty<string>() : ["customers served"], "customers keep", "tokens"],
        tariffs.Select(t => (IReadOnlyList<string>)
        [
            Html(Name(t.Kind)), Data($"{t.Kind}.profit", t.Profit, Short(t.Profit)), MenuForPeople.Against(t.Profit, tariffs[0].Profit), Data($"{t.Kind}.revenue", t.Revenue, Short(t.Revenue)),
            Data($"{t.Kind}.servingCost", t.ServingCost, Short(t.ServingCost)), Percent(t.ShareServed), .. t.ShareOfCustomersServed is { } customers ? [Data($"{t.Kind}.shareOfCustomersServed", customers, Percent(customers))] : Array.Empty<string>(), Data($"{t.Kind}.consumerSurplus", t.ConsumerSurplus, Short(t.ConsumerSurplus)), Short(t.Tokens),
        ]));

    private static string SensitivityTable(IReadOnlyList<SensitivityPoint> points) => "<figure>" + Table(["market", "menu kept", "solved anew"],
        points.Select((p, n) => (IReadOnlyList<string>)
        [
            Html(p.Change), Data($"sensitivity[{n}].kept", p.ProfitKept, Short(p.ProfitKept)), p.ProfitAdapted is { } adapted ? Data($"sensitivity[{n}].adapted", adapted, Short(adapted)) : p.NotCertified ? "not certified" : "none",
        ])) + "<figcaption>Profit a conversation.</figcaption></figure>";

    private static string FrontierTable(FrontierReport frontier) => "<figure>" + Table(["of demand", "tokens", "profit", "one more token earns"],
        frontier.Capacity.Reverse().Select(row => (IReadOnlyList<string>)
        [
            Percent(row.ShareOfDemand, 0), row.TokensPerConversation is { } tokens ? Short(tokens) : "",
            row.Profit is { } profit ? Data($"frontier[{row.ShareOfDemand.ToString("0.##", CultureInfo.InvariantCulture)}].profit", profit, Short(profit)) : "not certified",
            row.ShadowPricePerToken is { } price ? Data($"frontier[{row.ShareOfDemand.ToString("0.##", CultureInfo.InvariantCulture)}].shadowPrice", price, Short(price)) : "",
        ])) + "<figcaption>Capacity as a part of the tokens that the market would take; per conversation of the whole market.</figcaption></figure>";

    private static string Rules(MenuAnalysis analysis) => Table(["rule", "costs a conversation", "customers served", .. ByType(analysis) ? ["conversations served"] : Array.Empty<string>(), "tokens a conversation"],
        analysis.ConstraintCosts.Select(c => (IReadOnlyList<string>)
        [
            Html(c.Constraint), c.ProfitCost is { } cost ? MenuForPeople.About(c) + Data($"rules.{c.Constraint}.profitCost", cost, Short(cost)) : Html($"not known: {c.Unknown}"),
            c.ShareServedGain is { } gain ? Data($"rules.{c.Constraint}.shareServedGain", gain, MenuForPeople.PercentagePoints(gain)) : "",
            .. ByType(analysis) ? [MenuForPeople.PercentagePoints(c.ConversationsServedGain)] : Array.Empty<string>(), c.TokensGain is { } tokens ? Short(tokens) : "",
        ]));

    private static bool ByType(MenuAnalysis analysis) => analysis.Market.CustomersByType is not null;

    private static string Processes(MenuAnalysis analysis) =>
        "<p>The same information spent in other ways, each with its own best menu: what a model that is not aligned with its users' impatience costs.</p>"
        + Table(["process", "profit", "of the aligned one", "revenue", "serving cost", $"{(ByType(analysis) ? "conversations" : "customers")} served", "customers keep", "tokens", "better off", "worse off"], analysis.Processes.Select(p => p.Outcome is not { } o ? [Html(p.Kind), p.Menu.Fault is null ? "not certified" : "not solved", .. Enumerable.Repeat("", 8)] : (IReadOnlyList<string>)
        [
            Html(p.Kind), Data($"processes.{p.Kind}.profit", o.Profit, Short(o.Profit)), p.ShareOfAligned is { } share ? Percent(share) : "", Data($"processes.{p.Kind}.revenue", o.Revenue, Short(o.Revenue)),
            Short(o.ServingCost), Percent(o.ShareServed), Data($"processes.{p.Kind}.consumerSurplus", o.ConsumerSurplus, Short(o.ConsumerSurplus)), Short(o.Tokens),
            p.ToAligned is { } better ? Percent(better.ShareBetter) : "", p.ToAligned is { } worse ? Percent(worse.ShareWorse) : "",
        ])) + "<p>Better and worse off: if the aligned process and its menu take this one's place.</p>";

    private static string Proof(MenuAnalysis analysis)
    {
        var (c, market) = (analysis.Solution.Certificate, analysis.Market);
        var grid = market.Grid();
        return $"""
            <ul>
            <li>{Bounds(analysis)} The bound comes from separate code that rebuilds every table from the market.</li>
            <li>No customer would gain more than {Data("certificate.maxIncentiveViolation", c.MaxIncentiveViolation, c.MaxIncentiveViolation.ToString("G2", CultureInfo.InvariantCulture))} by another plan than hers, or lose more than {Data("certificate.maxParticipationViolation", c.MaxParticipationViolation, c.MaxParticipationViolation.ToString("G2", CultureInfo.InvariantCulture))} by buying.</li>
            <li>Market: {Html(market.Urgency.Kind)} urgency in {grid.Types.Count:#,0} types, {Html(market.AnswerTime.Kind)} answer times, caps up to {grid.CapTokensMax:#,0} tokens, {Short(market.TokensPerSecond)} tokens a second, an answer worth {Short(market.ValuePerAnswer)}, a token at {Short(market.ServingCostPerToken)}.</li>
            <li>Theory: W. Zhong, <cite>Token Is All You Price</cite> (arXiv 2510.09859). Serving cost, few plans, whole minor units and rules are beyond the paper.</li>
            </ul>
            """;
    }

    private static string StepPrices(MenuAsked asked) => asked.Options.Constraints is { OnPrices: true }
        ? "Each step up costs at most what it is worth to the most urgent customer who takes it; the rules on prices may keep it below."
        : "Each step up costs what it is worth to the most urgent customer who takes it" + (asked.Options.MinorUnits is null ? "." : ", down to whole minor units.");

    private static string Bounds(MenuAnalysis analysis)
    {
        var (c, market, profit) = (analysis.Solution.Certificate, analysis.Market, analysis.Solution.Profit);
        string Bound(string name, double value) => Data(name, value, MenuForPeople.Number(value));
        string Within(double gap, string name = "certificate.gap") => $"this one is within {Data(name, gap, Math.Max(0, gap).ToString("G2", CultureInfo.InvariantCulture))} of it";
        // At exact prices, and without rules on prices, more can be earned than what was asked for allows.
        if (MenuForPeople.TighterInMinorUnits(market, analysis.Solution) is { } tighter)
            return $"{(market.Urgency.HasIntervals ? "In the market no" : "No")} menu of this kind in minor units{(analysis.Options.Constraints is { OnPrices: true } ? " that keeps the rules on prices" : "")} earns more than {Bound("rounding.upperBound", tighter.Bound)} a conversation; "
                + Within(tighter.Bound - profit, "rounding.gap") + ".";
        if (!market.Urgency.HasIntervals) return $"No menu of this kind earns more than {Bound("certificate.upperBound", c.UpperBound)} a conversation; {Within(c.Gap)}.";
        var atTypes = $"At the {market.Grid().Types.Count:#,0} types that stand for the market no menu of this kind earns more than {Bound("certificate.upperBound", c.UpperBound)} a conversation; {Within(c.Gap)}.";
        return market.ValueAtCap > 0 ? atTypes
            : analysis.Solution.Rounding is null ? $"{atTypes} In the market itself, where customers stand between the types, none earns more than {Bound("certificate.densityUpperBound", c.DensityUpperBound)}, and this one what it says."
            : $"In the market no menu of this kind earns more than {Bound("certificate.densityUpperBound", c.DensityUpperBound)} a conversation; {Within(c.DensityUpperBound - profit)}.";
    }

    private static string Name(string kind) => TariffNames.GetValueOrDefault(kind, kind);
    private static string Money(MenuAsked asked) => asked.Currency?.Code ?? "Money";
    private static string Section(string title, string body) => $"<section><h2>{Html(title)}</h2>{body}</section>";
    private static string Grid(params string[] parts) => $"""<div class="grid">{string.Concat(parts)}</div>""";
    private static string Figure(string title, Svg drawing, string caption) => $"<figure><h3>{Html(title)}</h3>{drawing}<figcaption>{Html(caption)}</figcaption></figure>";
    private static string Data(string name, double value, string shown) => string.Create(CultureInfo.InvariantCulture, $"""<data data-name="{Html(name)}" value="{value:R}">{Html(shown)}</data>""");
    private static string Html(string text) => WebUtility.HtmlEncode(text);
    private static string Sentence(string text) => char.ToUpperInvariant(text[0]) + text[1..] + ".";

    private static string Table(IReadOnlyList<string> head, IEnumerable<IReadOnlyList<string>> rows) =>
        $"""<div class="scroll"><table><thead><tr>{string.Concat(head.Select(h => $"<th>{Html(h)}</th>"))}</tr></thead><tbody>{string.Concat(rows.Select(row => $"<tr>{string.Concat(row.Select(cell => $"<td>{cell}</td>"))}</tr>"))}</tbody></table></div>""";
}
