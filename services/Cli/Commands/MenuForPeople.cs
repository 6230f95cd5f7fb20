using System.Globalization;
using PlanDesign.Comparison;
using PlanDesign.Screening;
using Spectre.Console;

namespace Cli.Commands;

/// <summary>A solved menu as a table, its certificate in a line, and what other ways of charging would earn.</summary>
public static class MenuForPeople
{
    /// <param name="comparison">Null where there is nothing to compare: a menu that may not be used.</param>
    /// <param name="currency">The money of the market, where it was said.</param>
    public static void Print(IAnsiConsole console, MenuSolution menu, TariffComparison? comparison, Currency? currency)
    {
        if (menu.Tiers.Count > 0) console.Write(Plans(menu, currency));
        foreach (var notice in menu.Notices) console.MarkupLineInterpolated($"[yellow]{notice}[/]");
        if (menu.Tiers.Count == 0) return;

        console.WriteLine($"Earns {Number(menu.Profit)} a conversation: {Number(menu.Revenue)} paid, {Number(menu.ServingCost)} spent on serving.");
        console.WriteLine(Certificate(menu));
        if (comparison is not null) console.Write(Comparison(comparison));
    }

    private static Table Plans(MenuSolution menu, Currency? currency)
    {
        var table = new Table().Border(TableBorder.Rounded);
        table.AddColumn(new TableColumn("cap, tokens").RightAligned());
        table.AddColumn(new TableColumn("price a conversation").RightAligned());
        if (menu.Rounding is { } rounding)
            table.AddColumn(new TableColumn($"price a period of {rounding.Units.ConversationsPerPeriod.ToString("#,0", CultureInfo.InvariantCulture)}").RightAligned());
        table.AddColumn(new TableColumn("share of customers").RightAligned());
        table.AddColumn(new TableColumn("urgency, 1/second").RightAligned());
        foreach (var tier in menu.Tiers)
        {
            List<string> row = [tier.CapTokens.ToString("#,0", CultureInfo.InvariantCulture), Number(tier.PricePerConversation)];
            if (tier.PriceMinorUnitsPerPeriod is { } units) row.Add($"{(currency!.MinorUnit * units).ToMajorUnits(currency)} {currency}");
            row.AddRange([Percent(tier.Share), Range(tier)]);
            table.AddRow([.. row.Select(Markup.Escape)]);
        }
        return table;
    }

    private static string Certificate(MenuSolution menu)
    {
        var c = menu.Certificate;
        var holds = menu.IsUsable ? "Certificate" : "NOT CERTIFIED";
        return $"{holds}: no such menu earns more than {Number(c.UpperBound)} (gap {Small(c.Gap)}); nobody gains more than {Small(c.MaxIncentiveViolation)} by another plan, "
            + $"or loses more than {Small(c.MaxParticipationViolation)} by buying.";
    }

    private static Table Comparison(TariffComparison comparison)
    {
        var table = new Table().Border(TableBorder.Rounded).Title("each at its best in this market");
        table.AddColumn("way of charging");
        foreach (var column in new[] { "earns a conversation", "against this menu", "customers served", "tokens a conversation" })
            table.AddColumn(new TableColumn(column).RightAligned());
        void Row(string name, TariffOutcome o) => table.AddRow(
            name, Number(o.Profit), Against(o.Profit, comparison.Menu.Profit), Percent(o.ShareServed), o.Tokens.ToString("#,0.#", CultureInfo.InvariantCulture));
        Row("this menu", comparison.Menu);
        Row("any number of plans, exact prices", comparison.MenuWithoutLimit);
        Row("one plan", comparison.OnePlan);
        Row("flat fee", comparison.FlatFee);
        Row("pay per token", comparison.PayPerToken);
        return table;
    }

    private static string Against(double profit, double menu) =>
        menu <= 0 || profit == menu ? "" : ((profit / menu - 1) * 100).ToString("+0.00;-0.00;0.00", CultureInfo.InvariantCulture) + " %";

    private static string Range(Tier tier) => tier.UrgencyFromPerSecond == tier.UrgencyToPerSecond
        ? Number(tier.UrgencyFromPerSecond)
        : $"{Number(tier.UrgencyFromPerSecond)} to {Number(tier.UrgencyToPerSecond)}";

    private static string Percent(double share) => (share * 100).ToString("0.0", CultureInfo.InvariantCulture) + " %";

    private static string Number(double value) => value.ToString("G6", CultureInfo.InvariantCulture);

    private static string Small(double value) => value.ToString("G2", CultureInfo.InvariantCulture);
}
