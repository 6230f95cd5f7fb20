using PlanDesign.Reports;
using static Cli.Pages.MenuCharts;

namespace Cli.Pages;

/// <summary>Profit and revenue along capacity, from nothing to all that the market would take, wherever that is certified.</summary>
internal static class FrontierChart
{
    public static Svg Of(FrontierReport frontier)
    {
        var svg = new Svg(440, 230, "Profit and revenue along capacity");
        const double left = 62, right = 430, top = 26, bottom = 186;
        (double Tokens, double Profit, double Revenue, CapacityRow Row)[] rows = [.. frontier.Capacity.Where(r => r.HasFigures).Select(r => (r.TokensPerConversation!.Value, r.Profit!.Value, r.Revenue!.Value, r))];
        var y = new Axis(Math.Min(0, rows.Min(r => r.Profit)), rows.Max(r => Math.Max(r.Profit, r.Revenue)) * 1.05, bottom, top);
        var x = new Axis(0, rows[^1].Tokens, left, right);
        foreach (var tick in y.Ticks(4))
        {
            svg.Line(left, y.At(tick), right, y.At(tick), "grid");
            svg.Text(left - 6, y.At(tick) + 4, Short(tick), "end", "tick");
        }
        foreach (var tick in x.Ticks(5))
        {
            svg.Line(x.At(tick), bottom, x.At(tick), bottom + 4, "axis");
            svg.Text(x.At(tick), bottom + 15, Short(tick), "middle", "tick");
        }
        svg.Line(left, bottom, right, bottom, "axis");
        svg.Path(rows.Select(r => (x.At(r.Tokens), y.At(r.Revenue))), "curve second");
        svg.Path(rows.Select(r => (x.At(r.Tokens), y.At(r.Profit))), "curve first");
        foreach (var (tokens, profit, _, row) in rows)
            svg.Circle(x.At(tokens), y.At(profit), 4, "plan0", $"{Percent(row.ShareOfDemand, 0)} of demand earns {Short(profit)}; one more token earns {Short(row.ShadowPricePerToken!.Value)}");
        svg.Rect(left + 4, 4, 12, 12, "plan0");
        svg.Text(left + 22, 14, "profit", "start", "tick");
        svg.Rect(left + 74, 4, 12, 12, "plan1");
        svg.Text(left + 92, 14, "revenue", "start", "tick");
        svg.Text((left + right) / 2, 222, "tokens a conversation of the whole market", "middle", "caption");
        return svg;
    }
}
