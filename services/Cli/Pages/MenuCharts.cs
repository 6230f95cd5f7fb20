using System.Globalization;
using PlanDesign.Comparison;
using PlanDesign.Reports;
using PlanDesign.Screening;

namespace Cli.Pages;

/// <summary>The drawings of a menu's page.</summary>
internal static class MenuCharts
{
    private const int Width = 440;
    private const int LegendMax = 12;
    private const double Left = 62, Right = 430;

    /// <summary>Right of the longest name of a bar, conversations.</summary>
    private const double BarsFrom = 102;

    /// <summary>What each customer gets and pays, from the most patient on the left to the most urgent on the right.</summary>
    public static Svg AlongUrgency(MenuSolution menu, Func<Tier, double> value, string title, string unit, string counted)
    {
        var svg = new Svg(Width, 230, title);
        const double top = 14, bottom = 176;
        var most = menu.Tiers.Max(value);
        var positive = menu.Tiers.Select(value).Where(v => v > 0).ToArray();
        var log = positive.Length == menu.Tiers.Count && positive.Max() > 30 * positive.Min();
        var y = log ? new Axis(positive.Min() / 2, most * 1.25, bottom, top, log: true) : new Axis(0, most * 1.08, bottom, top);
        var x = new Axis(0, 1, Left, Right);
        foreach (var tick in y.Ticks(4))
        {
            svg.Line(Left, y.At(tick), Right, y.At(tick), "grid");
            svg.Text(Left - 6, y.At(tick) + 4, Short(tick), "end", "tick");
        }
        var from = 0.0;
        for (var k = 0; k < menu.Tiers.Count; k++)
        {
            var tier = menu.Tiers[k];
            var (a, b, at) = (x.At(from), x.At(from + tier.Share), log ? y.At(value(tier)) : y.At(value(tier)));
            svg.Rect(a, at, b - a, bottom - at, $"plan{k % 6} soft", $"{Percent(tier.Share)} of {counted}: {Short(value(tier))} {unit}");
            svg.Line(a, at, b, at, $"plan{k % 6} edge");
            if (b - a > 44) svg.Text((a + b) / 2, at - 5, Short(value(tier)), "middle", "label");
            from += tier.Share;
        }
        svg.Line(Left, bottom, Right, bottom, "axis");
        // Where customers change from one plan to the next: how many are more patient, and how urgent that is.
        svg.Text(Left, bottom + 15, "0 %", "middle", "tick");
        var (edge, lastLabel) = (0.0, Left - 20);
        foreach (var tier in menu.Tiers)
        {
            edge += tier.Share;
            if (x.At(edge) - lastLabel < 58 || edge > 0.995) continue;
            lastLabel = x.At(edge);
            svg.Line(lastLabel, bottom, lastLabel, bottom + 4, "axis");
            svg.Text(lastLabel, bottom + 15, Percent(edge, 0), "middle", "tick");
            svg.Text(lastLabel, bottom + 29, $"{Short(tier.UrgencyToPerSecond, 3)}/s", "middle", "tick");
        }
        if (Right - lastLabel > 60) svg.Text(Right, bottom + 15, "100 %", "end", "tick");
        svg.Text(Left, 226, "← patient", "start", "caption");
        svg.Text((Left + Right) / 2, 226, $"share of {counted}; urgency there", "middle", "caption");
        svg.Text(Right, 226, "urgent →", "end", "caption");
        return svg;
    }

    public static Svg ByNumberOfPlans(IReadOnlyList<PlanCount> counts, int plans, double optimum)
    {
        var svg = new Svg(Width, 230, "Revenue and profit by number of plans");
        const double top = 26, bottom = 186;
        var y = new Axis(0, Math.Max(optimum, counts.Max(c => Math.Max(c.Revenue, c.Profit))) * 1.02, bottom, top);
        foreach (var tick in y.Ticks(4))
        {
            svg.Line(Left, y.At(tick), Right, y.At(tick), "grid");
            svg.Text(Left - 6, y.At(tick) + 4, Short(tick), "end", "tick");
        }
        var step = (Right - Left) / counts.Count;
        for (var n = 0; n < counts.Count; n++)
        {
            var (c, a) = (counts[n], Left + n * step + step * 0.08);
            if (c.Revenue > c.Profit) svg.Rect(a, y.At(c.Revenue), step * 0.84, y.At(c.Profit) - y.At(c.Revenue), "keep", $"{(c.Plans == 1 ? "1 plan" : $"{c.Plans} plans")}: {Short(c.Revenue)} are paid, {Short(c.Revenue - c.Profit)} of it spent on serving");
            svg.Rect(a, y.At(c.Profit), step * 0.84, bottom - y.At(c.Profit), c.Plans == plans ? "plan0" : "other", $"{(c.Plans == 1 ? "1 plan earns" : $"{c.Plans} plans earn")} {Short(c.Profit)}, {Percent(c.ShareOfOptimum, 2)} of the optimum");
            svg.Text(a + step * 0.42, y.At(c.Profit) + 15, Percent(c.ShareOfOptimum, step < 36 || c.ShareOfOptimum > 0.9995 ? 0 : 1).Replace(" ", "", StringComparison.Ordinal), "middle", c.Plans == plans ? "on small" : "label small");
            svg.Text(a + step * 0.42, bottom + 15, c.Plans.ToString(CultureInfo.InvariantCulture), "middle", "tick");
        }
        svg.Line(Left, y.At(optimum), Right, y.At(optimum), "bound");
        svg.Rect(Left + 2, 2, 12, 12, "other");
        svg.Text(Left + 20, 12, "profit", "start", "tick");
        svg.Rect(Left + 74, 2, 12, 12, "keep");
        svg.Text(Left + 92, 12, "spent on serving", "start", "tick");
        svg.Line(Left + 206, 8, Left + 226, 8, "bound");
        svg.Text(Left + 232, 12, $"at most {Short(optimum)}", "start", "tick");
        svg.Line(Left, bottom, Right, bottom, "axis");
        svg.Text((Left + Right) / 2, 222, "plans on the menu, exact prices", "middle", "caption");
        return svg;
    }

    /// <summary>Customers, revenue and tokens, each split among the plans.</summary>
    public static Svg WhoBuysWhat(MenuSolution menu, string counted)
    {
        (string Name, double[] Parts, double Nobody)[] bars =
        [
            (counted, [.. menu.Tiers.Select(t => t.Share)], 1 - menu.ShareServed),
            ("revenue", Shares(menu.Tiers.Select(t => t.Share * t.PricePerConversation)), 0),
            ("tokens", Shares(menu.Tiers.Select(t => t.Share * t.ExpectedTokensPerConversation)), 0),
        ];
        // Of hundreds of plans a legend names the longest; the bars say the rest where they are touched.
        var named = menu.Tiers.Count <= LegendMax ? menu.Tiers.Count : LegendMax - 1;
        var rows = (named + 3) / 2;
        var svg = new Svg(Width, 150 + 20 * rows, "Who buys what");
        var x = new Axis(0, 1, BarsFrom, Right);
        for (var n = 0; n < bars.Length; n++)
        {
            var (y, from) = (12.0 + n * 42, 0.0);
            svg.Text(BarsFrom - 6, y + 20, bars[n].Name, "end", "label");
            for (var k = 0; k < bars[n].Parts.Length; k++)
            {
                var part = bars[n].Parts[k];
                Part(part, $"plan{k % 6}", $"{Percent(part)} of {bars[n].Name}: the plan of {menu.Tiers[k].CapTokens:#,0} tokens");
            }
            if (bars[n].Nobody > 5e-4) Part(bars[n].Nobody, "nobody", $"{Percent(bars[n].Nobody)} of {counted} buy nothing");

            void Part(double part, string css, string tip)
            {
                // A gap between two parts, and none where hundreds of them are finer than a gap.
                var width = x.At(from + part) - x.At(from);
                svg.Rect(x.At(from), y, width - (width > 4 ? 1 : 0), 30, css, tip);
                if (x.At(from + part) - x.At(from) > 36) svg.Text((x.At(from) + x.At(from + part)) / 2, y + 20, Percent(part, 0).Replace(" ", "", StringComparison.Ordinal), "middle", css == "nobody" ? "label" : "on");
                from += part;
            }
        }
        var entry = 0;
        for (var k = 0; k < named; k++)
            Entry($"plan{k % 6}", $"{menu.Tiers[k].CapTokens.ToString("#,0", CultureInfo.InvariantCulture)} tokens for {Short(menu.Tiers[k].PricePerConversation)}");
        if (bars[0].Nobody > 5e-4) Entry("nobody", "buy nothing");
        if (named < menu.Tiers.Count) Entry(null, $"… {menu.Tiers.Count - named:#,0} more plans");
        return svg;

        void Entry(string? css, string text)
        {
            var (a, y) = (entry % 2 == 0 ? 14 : 232, 148 + 20 * (entry / 2));
            if (css is not null) svg.Rect(a, y, 12, 12, css);
            svg.Text(a + 18, y + 11, text, "start", "tick");
            entry++;
        }
    }

    public static Svg Tariffs(IReadOnlyList<TariffReport> tariffs, Func<string, string> nameOf)
    {
        var svg = new Svg(Width, 34 + 34 * tariffs.Count, "Profit and what customers keep, by way of charging");
        var x = new Axis(0, tariffs.Max(t => Math.Max(0, t.Profit) + t.ConsumerSurplus), 160, 378);
        svg.Rect(160, 4, 12, 12, "plan0");
        svg.Text(178, 14, "profit", "start", "tick");
        svg.Rect(230, 4, 12, 12, "keep");
        svg.Text(248, 14, "what customers keep", "start", "tick");
        for (var n = 0; n < tariffs.Count; n++)
        {
            var (t, y) = (tariffs[n], 26.0 + n * 34);
            var profit = x.At(Math.Max(0, t.Profit));
            svg.Text(154, y + 16, nameOf(t.Kind), "end", n == 0 ? "label strong" : "label");
            svg.Rect(160, y, profit - 160, 23, n == 0 ? "plan0" : "other", $"{nameOf(t.Kind)} earns {Short(t.Profit)} a conversation");
            svg.Rect(profit + 1, y, x.At(Math.Max(0, t.Profit) + t.ConsumerSurplus) - profit - 1, 23, "keep", $"customers keep {Short(t.ConsumerSurplus)}");
            svg.Text(x.At(Math.Max(0, t.Profit) + t.ConsumerSurplus) + 5, y + 16, Short(t.Profit), "start", "label");
        }
        return svg;
    }

    /// <summary>The change of the profit in each market that differs a little: the menu kept (hollow), and solved anew (full).</summary>
    public static Svg Sensitivities(IReadOnlyList<SensitivityPoint> points)
    {
        SensitivityPoint[] changed = [.. points.Skip(1)];
        var svg = new Svg(Width, 66 + 32 * changed.Length, "How the profit changes with the market");
        var zero = points[0].ProfitKept;
        double Change(double profit) => zero > 0 ? profit / zero - 1 : 0;
        var (low, high) = (changed.Min(p => Math.Min(Change(p.ProfitKept), Change(p.ProfitAdapted ?? p.ProfitKept))), changed.Max(p => Math.Max(Change(p.ProfitKept), Change(p.ProfitAdapted ?? p.ProfitKept))));
        var x = new Axis(Math.Min(low, 0) - 0.02, Math.Max(high, 0) + 0.02, 190, 425);
        var bottom = 30 + 32.0 * changed.Length;
        foreach (var tick in x.Ticks(4))
        {
            svg.Line(x.At(tick), 26, x.At(tick), bottom, "grid");
            svg.Text(x.At(tick), bottom + 15, (tick * 100).ToString("+0;-0;0", CultureInfo.InvariantCulture) + "%", "middle", "tick");
        }
        svg.Line(x.At(0), 26, x.At(0), bottom, "axis");
        svg.Circle(190, 12, 5, "hollow");
        svg.Text(200, 16, "menu kept", "start", "tick");
        svg.Circle(280, 12, 5, "plan0");
        svg.Text(290, 16, "solved anew", "start", "tick");
        for (var n = 0; n < changed.Length; n++)
        {
            var (p, y) = (changed[n], 44.0 + n * 32);
            var (kept, adapted) = (x.At(Change(p.ProfitKept)), x.At(Change(p.ProfitAdapted ?? p.ProfitKept)));
            svg.Text(182, y + 4, p.Change, "end", "label");
            svg.Line(kept, y, adapted, y, "between");
            if (p.ProfitAdapted is { } profit) svg.Circle(adapted, y, 6, "plan0", $"solved anew: {Short(profit)}");
            svg.Circle(kept, y, 6, "hollow", $"kept: {Short(p.ProfitKept)}");
        }
        svg.Text((190 + 425) / 2.0, bottom + 32, "change of the profit", "middle", "caption");
        return svg;
    }

    internal static string Short(double value, int digits = 4) => Math.Abs(value) < 1e-13 ? "0"
        : Math.Abs(value) >= 1e15 ? "∞"
        : Math.Abs(value) >= 1e4 ? value.ToString("#,0", CultureInfo.InvariantCulture)
        : Math.Abs(value) < 1e-4 ? value.ToString("0.##e+0", CultureInfo.InvariantCulture)
        : value.ToString("G" + digits, CultureInfo.InvariantCulture);

    internal static string Percent(double share, int digits = 1) => (share * 100).ToString("F" + digits, CultureInfo.InvariantCulture) + " %";

    private static double[] Shares(IEnumerable<double> amounts)
    {
        double[] all = [.. amounts];
        var sum = all.Sum();
        return [.. all.Select(a => sum > 0 ? a / sum : 0)];
    }
}
