using System.Globalization;
using PlanDesign;
using PlanDesign.Comparison;
using PlanDesign.Reports;
using PlanDesign.Screening;
using PlanDesign.Screening.Constraints;
using Spectre.Console;

namespace Cli.Commands;

/// <summary>A solved menu as tables: the plans, the certificate in a line, and what other ways of charging would earn.</summary>
public static class MenuForPeople
{
    /// <summary>A continuous market without a limit on plans has hundreds, and nobody reads so many rows.</summary>
    internal const int PlansShown = 20;

    /// <param name="menu">One that may be used: what is not certified is not shown.</param>
    /// <param name="comparison">Null where there is nothing to compare.</param>
    public static void Print(IAnsiConsole console, MenuAsked asked, MenuSolution menu, TariffComparison? comparison, IReadOnlyList<ConstraintCost> costs)
    {
        PrintMenu(console, asked, menu);
        if (menu.Tiers.Count == 0)
        {
            PrintRules(console, costs);
            return;
        }
        if (comparison is not null) console.Write(Comparison(comparison, asked.Options.Constraints is not null, Counted(asked)));
        foreach (var notice in comparison?.Notices ?? []) console.MarkupLineInterpolated($"[yellow]{notice}[/]");
        PrintRules(console, costs);
    }

    /// <summary>What shares are of: where customers differ in how many conversations they have, a menu is solved for conversations.</summary>
    internal static string Counted(MenuAsked asked) => asked.Conversations?.ByType is null ? "customers" : "conversations";

    /// <summary>What each rule costs and brings in; nothing where there are none.</summary>
    internal static void PrintRules(IAnsiConsole console, IReadOnlyList<ConstraintCost> costs)
    {
        if (costs.Count > 0) console.Write(Rules(costs));
        foreach (var cost in costs.Where(c => c.Unknown is not null)) console.MarkupLineInterpolated($"[yellow]{cost.Constraint}: what it costs is not known, for without it there is no menu: {cost.Unknown}[/]");
    }

    /// <summary>Everything: who gains and who loses by type, the number of plans, other processes.</summary>
    public static void Print(IAnsiConsole console, MenuAsked asked, MenuAnalysis analysis)
    {
        Print(console, asked, analysis.Solution, analysis.Comparison, analysis.ConstraintCosts);
        if (analysis.Comparison is not { } comparison || analysis.Solution.Tiers.Count == 0) return;
        console.Write(Customers(comparison, Counted(asked)));
        if (Types(analysis, comparison) is { } types) console.Write(types);
        if (analysis.PlanCounts.Count > 0) console.Write(Counts(analysis.PlanCounts, asked.Options.Constraints));
        if (analysis.Processes.Count > 0) console.Write(Processes(analysis.Processes, Counted(asked)));
        foreach (var notice in analysis.Notices.Except(analysis.Solution.Notices).Except(comparison.Notices)) console.MarkupLineInterpolated($"[yellow]{notice}[/]");
    }

    private static void PrintMenu(IAnsiConsole console, MenuAsked asked, MenuSolution menu)
    {
        if (menu.Tiers.Count > 0) console.Write(Plans(asked, menu));
        foreach (var notice in menu.Notices) console.MarkupLineInterpolated($"[yellow]{notice}[/]");
        if (menu.Tiers.Count == 0) return;
        console.WriteLine($"Earns {Number(menu.Profit)} a conversation: {Number(menu.Revenue)} paid, {Number(menu.ServingCost)} spent on serving.");
        if (asked.Period(menu) is { } period)
            console.WriteLine($"Earns {Number(period.Profit)} a customer and period of {Number(period.ConversationsPerCustomer)} conversations: {Number(period.Revenue)} paid, {Number(period.ServingCost)} spent on serving.");
        console.WriteLine(Certificate(asked, menu));
    }

    private static Table Plans(MenuAsked asked, MenuSolution menu)
    {
        var table = Columns("cap, tokens", "price a conversation");
        table.Columns[0].RightAligned();
        var period = asked.Period(menu);
        var (perPeriod, byType) = (asked.Conversations?.Each, asked.Conversations?.ByType);
        if (perPeriod is { } n) table.AddColumn(new TableColumn($"price a period of {n.ToString("#,0", CultureInfo.InvariantCulture)}").RightAligned());
        if (byType is not null) table.AddColumn(new TableColumn("price a period").RightAligned());
        table.AddColumn(new TableColumn(byType is null ? "share of customers" : "share of conversations").RightAligned());
        if (byType is not null) table.AddColumn(new TableColumn("share of customers").RightAligned());
        table.AddColumn(new TableColumn("urgency, 1/second").RightAligned());
        for (var k = 0; k < Math.Min(PlansShown, menu.Tiers.Count); k++)
        {
            var tier = menu.Tiers[k];
            List<string> row = [tier.CapTokens.ToString("#,0", CultureInfo.InvariantCulture), Number(tier.PricePerConversation)];
            if (perPeriod is { } each)
                row.Add(tier.PriceMinorUnitsPerPeriod is { } units && asked.Currency is { } c ? $"{(c.MinorUnit * units).ToMajorUnits(c)} {c}" : Number(each * tier.PricePerConversation));
            if (byType is not null) row.Add(FeesOf(tier, menu, period!.FeeByType!));
            row.Add(Percent(tier.Share));
            if (byType is not null) row.Add(Percent(period!.ShareOfCustomersByTier[k]));
            row.Add(Range(tier));
            table.AddRow([.. row.Select(Markup.Escape)]);
        }
        return SayRest(table, menu.Tiers.Count);
    }

    internal static string FeesOf(Tier tier, MenuSolution menu, IReadOnlyList<double> feeByType)
    {
        double[] fees = [.. feeByType.Where((_, i) => menu.CapTokensByType[i] == tier.CapTokens)];
        return fees.Length == 0 ? "" : fees.Min() == fees.Max() ? Number(fees[0]) : $"{Number(fees.Min())} to {Number(fees.Max())}";
    }

    private static string Certificate(MenuAsked asked, MenuSolution menu)
    {
        var (c, market) = (menu.Certificate, asked.Market);
        return $"Certificate: {Bounds(market, asked.Options, menu)}; nobody gains more than {Small(c.MaxIncentiveViolation)} by another plan, "
            + $"or loses more than {Small(c.MaxParticipationViolation)} by buying.";
    }

    /// <summary>
    /// What no menu earns more than: in the market itself, and, where it is continuous and prices are exact, at the urgent ends of its cells, whose profit
    /// the menu reports. With value at the cap only the types are bounded. Where menus in minor units that keep every rule are bounded more tightly, it is by that.
    /// </summary>
    private static string Bounds(Market market, SolveOptions options, MenuSolution menu)
    {
        var c = menu.Certificate;
        if (TighterInMinorUnits(market, menu) is { } tighter)
            return $"{(market.Urgency.HasIntervals ? "in the market " : "")}no menu in minor units{(options.Constraints is { OnPrices: true } ? " that keeps the rules on prices" : "")} earns more than {Number(tighter.Bound)} "
                + $"(gap {Small(Math.Max(0, tighter.Bound - menu.Profit))}), at exact prices{(options.Constraints is { OnPrices: true } ? " without those rules" : "")} none more than {Number(tighter.AtExactPrices)}";
        if (!market.Urgency.HasIntervals) return $"no such menu earns more than {Number(c.UpperBound)} (gap {Small(c.Gap)})";
        var atTypes = $"at the {market.Grid().Types.Count.ToString("#,0", CultureInfo.InvariantCulture)} types that stand for the market no such menu earns more than {Number(c.UpperBound)} (gap {Small(c.Gap)})";
        return market.ValueAtCap > 0 ? atTypes
            : menu.Rounding is null ? $"{atTypes}, in the market itself none more than {Number(c.DensityUpperBound)}"
            : $"in the market no such menu earns more than {Number(c.DensityUpperBound)} (gap {Small(c.DensityUpperBound - menu.Profit)})";
    }

    /// <summary>The bound on menus in minor units that keep every rule, where it is below that at exact prices by more than the arithmetic rounds; null where it is not, or not known.</summary>
    internal static (double Bound, double AtExactPrices)? TighterInMinorUnits(Market market, MenuSolution menu)
    {
        var exact = market.Urgency.HasIntervals ? menu.Certificate.DensityUpperBound : menu.Certificate.UpperBound;
        return menu.Rounding?.UpperBound is { } bound && bound < exact - MenuSolver.CertificateTolerance * market.ValuePerAnswer ? (bound, exact) : null;
    }

    private static Table Comparison(TariffComparison comparison, bool underRules, string counted)
    {
        var byType = comparison.CustomersServed(comparison.Menu) is not null;
        var table = Columns(["way of charging", "earns a conversation", "against this menu", "paid", "serving cost", $"{counted} served", .. byType ? ["customers served"] : Array.Empty<string>(), "customers keep", "tokens"]).Title("each at its best in this market");
        void Row(string name, TariffOutcome o) => table.AddRow([
            name, Number(o.Profit), Against(o.Profit, comparison.Menu.Profit), Number(o.Revenue), Number(o.ServingCost), Percent(o.ShareServed),
            .. comparison.CustomersServed(o) is { } customers ? [Percent(customers)] : Array.Empty<string>(), Number(o.ConsumerSurplus), o.Tokens.ToString("#,0.#", CultureInfo.InvariantCulture)]);
        Row("this menu", comparison.Menu);
        if (comparison.MenuWithoutLimit is { } unlimited) Row("any number of plans, exact prices" + (underRules ? ", no rules" : ""), unlimited);
        foreach (var (name, outcome, _) in comparison.Others) Row(name, outcome);
        return table;
    }

    private static Table Customers(TariffComparison comparison, string counted)
    {
        var table = Columns("if this menu replaces", $"{counted} better off", "gain on average", $"{counted} worse off", "lose on average").Title("who wins and who loses");
        foreach (var (name, _, change) in comparison.Others)
            table.AddRow(name, Percent(change.ShareBetter), Number(change.MeanGainOfBetter), Percent(change.ShareWorse), Number(change.MeanLossOfWorse));
        return table;
    }

    /// <summary>Only where there are few enough types to read.</summary>
    private static Table? Types(MenuAnalysis analysis, TariffComparison comparison)
    {
        const int readable = 12;
        var types = analysis.Market.Grid().Types;
        if (types.Count > readable) return null;
        var table = Columns(["urgency, 1/second", "weight", .. comparison.Others.Select(o => o.Name)]).Title("what a customer of each type gains, a conversation, if this menu replaces");
        for (var i = 0; i < types.Count; i++)
            table.AddRow([Number(types.RatesPerSecond[i]), Percent(types.Weights[i]), .. comparison.Others.Select(o => Signed(o.ToMenu.GainByType[i]))]);
        return table;
    }

    private static Table Counts(IReadOnlyList<PlanCount> counts, MenuConstraints? rules)
    {
        var table = Columns("plans", "earns a conversation", "of the optimum", "one more adds", "paid").Title("how many plans, at exact prices" + (rules is null ? "" : rules.OnPrices ? ", under the rules on caps" : ", under the rules"));
        foreach (var count in counts)
            table.AddRow(count.Plans.ToString(CultureInfo.InvariantCulture), Number(count.Profit), Percent(count.ShareOfOptimum, 2), Number(count.GainOfOneMore), Number(count.Revenue));
        return table;
    }

    private static Table Processes(IReadOnlyList<ProcessOutcome> processes, string counted)
    {
        var table = Columns("how answers come", "earns a conversation", "of the aligned one", "mean seconds", "paid", "serving cost", $"{counted} served", "customers keep", "tokens", "better off", "worse off")
            .Title("the same information, spent otherwise; better and worse off if the aligned process takes its place");
        foreach (var p in processes)
        {
            if (p.Outcome is { } o)
                table.AddRow(p.Kind, Number(o.Profit), p.ShareOfAligned is { } share ? Percent(share) : "", Number(p.MeanSeconds), Number(o.Revenue), Number(o.ServingCost), Percent(o.ShareServed), Number(o.ConsumerSurplus),
                    o.Tokens.ToString("#,0.#", CultureInfo.InvariantCulture), p.ToAligned is { } c ? Percent(c.ShareBetter) : "", p.ToAligned is { } w ? Percent(w.ShareWorse) : "");
            else table.AddRow(p.Kind, p.Menu.Fault is null ? "not certified" : "not solved", "", Number(p.MeanSeconds));
        }
        return table;
    }

    private static Table Rules(IReadOnlyList<ConstraintCost> costs)
    {
        var byType = costs.Any(c => c.ConversationsServedGain is not null);
        var table = Columns(["rule", "costs a conversation", "customers served", .. byType ? ["conversations served"] : Array.Empty<string>(), "tokens a conversation"]).Title("what each rule costs and brings in");
        foreach (var cost in costs)
            table.AddRow([cost.Constraint, cost.ProfitCost is { } money ? About(cost) + Number(money) : "not known", PercentagePoints(cost.ShareServedGain),
                .. byType ? [PercentagePoints(cost.ConversationsServedGain)] : Array.Empty<string>(), cost.TokensGain is { } tokens ? Signed(tokens) : ""]);
        return table;
    }

    /// <summary>What comes before a cost that two menus differ by of which one is not proved best.</summary>
    internal static string About(ConstraintCost cost) => cost.IsAbout ? "about " : "";

    /// <summary>What a table of plans left out.</summary>
    internal static Table SayRest(Table table, int plans) => plans <= PlansShown ? table : table.Caption($"… {plans - PlansShown:#,0} more (use --json or --csv)");

    internal static Table Columns(params string[] names)
    {
        var table = new Table().Border(TableBorder.Rounded);
        table.AddColumn(names[0]);
        foreach (var name in names.Skip(1)) table.AddColumn(new TableColumn(name).RightAligned());
        return table;
    }

    internal static string Against(double profit, double menu) =>
        menu <= 0 || profit == menu ? "" : ((profit / menu - 1) * 100).ToString("+0.00;-0.00;0.00", CultureInfo.InvariantCulture) + " %";

    private static string Range(Tier tier) => tier.UrgencyFromPerSecond == tier.UrgencyToPerSecond
        ? Number(tier.UrgencyFromPerSecond)
        : tier.UrgencyToPerSecond > MarketLimits.RatePerSecondMax ? $"{Number(tier.UrgencyFromPerSecond)} and up"
        : $"{Number(tier.UrgencyFromPerSecond)} to {Number(tier.UrgencyToPerSecond)}";

    /// <summary>A change of a share; nothing where it is not known.</summary>
    internal static string PercentagePoints(double? change) => change is { } c ? (c * 100).ToString("+0.0;-0.0;0.0", CultureInfo.InvariantCulture) + " %" : "";

    internal static string Percent(double share, int digits = 1) => (share * 100).ToString("F" + digits, CultureInfo.InvariantCulture) + " %";

    /// <summary>Six digits; what is only rounding of the arithmetic is nothing.</summary>
    internal static string Number(double value) => Math.Abs(value) < 1e-13 ? "0" : value.ToString("G6", CultureInfo.InvariantCulture);

    private static string Signed(double value) => (value > 1e-13 ? "+" : "") + Number(value);

    private static string Small(double value) => value.ToString("G2", CultureInfo.InvariantCulture);
}
