using System.Globalization;
using System.Text;
using System.Text.Json;
using PlanDesign.Estimation;
using PlanDesign.Screening;
using PlanDesign.Urgency;

namespace Bench;

/// <summary>
/// Four weeks of a simulated year. Profits are money per conversation of the whole market, expected in the true market of those weeks.
/// </summary>
/// <param name="Market">What moved.</param>
/// <param name="Static">The menu solved before the year.</param>
/// <param name="Adapting">The menu on sale to which a person published what was drafted at the end of the period before.</param>
/// <param name="Best">The menu of somebody who knows the market.</param>
/// <param name="Decision">At the end of the period, from what its customers did.</param>
public sealed record AdaptPeriod(int Week, string Market, double Static, double Adapting, double Best, string Decision);

/// <param name="Gain">Σ over periods in which adapting earned more, in parts of what the static menu earned in the year.</param>
/// <param name="Loss">Σ over periods in which it earned less, in the same parts.</param>
/// <param name="Drafts">New menus in the year.</param>
public sealed record AdaptYear(int Seed, double Static, double Adapting, double Best, double Gain, double Loss, int Drafts, IReadOnlyList<AdaptPeriod> Periods)
{
    public double Net => Gain - Loss;
}

/// <summary>
/// A year whose market moves, for a seller who adapts and one who keeps the menu: steady weeks, a slow turn to patient customers, answers that take
/// twice as long, a month of hurried customers that passes. Adapting learns a period late, so what passes quickly costs it; both are printed.
/// Customers are drawn from fixed seeds.
/// </summary>
public sealed record AdaptBench(double NetMean, double NetWorst, double GainMean, double LossMean, double StaticShareOfBest, double AdaptingShareOfBest, IReadOnlyList<AdaptYear> Years)
{
    private const int CustomersPerPeriod = 3_000;
    private const int Plans = 3;
    private static readonly JsonSerializerOptions CamelCase = new(JsonSerializerDefaults.Web);

    private static readonly (string Name, double Mu, double MeanTokens)[] Weather =
    [
        ("steady", -1.5, 12), ("steady", -1.5, 12), ("steady", -1.5, 12),
        ("patient customers come", -1.7, 12), ("patient customers come", -1.9, 12), ("patient customers come", -2.1, 12), ("steady again", -2.1, 12),
        ("answers take longer", -2.1, 22), ("steady again", -2.1, 22), ("a hurried month", -1.2, 22), ("it passes", -2.1, 22), ("steady again", -2.1, 22),
        ("steady again", -2.1, 22),
    ];

    public static AdaptBench Run(int years)
    {
        var all = Enumerable.Range(1, years).Select(Year).ToArray();
        return new(all.Average(y => y.Net), all.Min(y => y.Net), all.Average(y => y.Gain), all.Average(y => y.Loss),
            all.Average(y => y.Static / y.Best), all.Average(y => y.Adapting / y.Best), all);
    }

    public string ToJson() => JsonSerializer.Serialize(this, CamelCase);

    public string ToText()
    {
        var text = new StringBuilder();
        void Line(FormattableString line) => text.AppendLine(line.ToString(CultureInfo.InvariantCulture));
        Line($"One year (seed {Years[0].Seed}), profit per conversation; gain or loss of adapting over the static menu");
        Line($"{"week",4}  {"market",-24}{"static",10}{"adapting",10}{"best",10}{"gain",9}  decision");
        foreach (var p in Years[0].Periods)
            Line($"{p.Week,4}  {p.Market,-24}{p.Static,10:F5}{p.Adapting,10:F5}{p.Best,10:F5}{p.Adapting / p.Static - 1,9:+0.0%;-0.0%;0.0%}  {p.Decision}");
        Line($"{Years.Count} years: gains {GainMean:P2}, losses {LossMean:P2}, net {NetMean:P2} of the static menu's year on average, worst year {NetWorst:P2}");
        Line($"Of what the best menu of every period earns: static {StaticShareOfBest:P1}, adapting {AdaptingShareOfBest:P1}");
        return text.ToString();
    }

    private static AdaptYear Year(int seed)
    {
        var random = MarketEstimation.SeedOf(20251009, seed);
        var (estimation, solving) = (new EstimationOptions(Draws: 100, Seed: seed) { TypeCount = 150 }, new SolveOptions(Plans));
        var (still, running) = (Best(Of(Weather[0])), Best(Of(Weather[0])));
        MarketObservations? baseline = null, before = null;
        var periods = new List<AdaptPeriod>();
        for (var n = 0; n < Weather.Length; n++)
        {
            var market = Of(Weather[n]);
            var seen = market.Observe(random, CustomersPerPeriod, running, conversationsEach: 2);
            // The first period of a menu has nothing to be compared with, so it is looked at anyway; later ones are compared with it.
            var decided = MenuAdaptation.Of(baseline ?? before ?? seen, seen, running, estimation, solving, new() { IsDue = baseline is null });
            periods.Add(new(4 * n, Weather[n].Name, Profit(market, still), Profit(market, running), Profit(market, Best(market)), decided.Decision.ToString()));
            before = seen;
            if (decided.Decision == AdaptationDecision.DraftMenu) (running, baseline) = ([.. decided.Next!.Offers], null);
            else baseline ??= seen;
        }
        var (earned, kept) = (periods.Sum(p => p.Adapting), periods.Sum(p => p.Static));
        return new(seed, kept, earned, periods.Sum(p => p.Best), periods.Sum(p => Math.Max(0, p.Adapting - p.Static)) / kept,
            periods.Sum(p => Math.Max(0, p.Static - p.Adapting)) / kept, periods.Count(p => p.Decision == nameof(AdaptationDecision.DraftMenu)), periods);
    }

    private static SimulatedMarket Of((string Name, double Mu, double MeanTokens) weather) =>
        new(new LogNormalUrgency(weather.Mu, 0.8), SimulatedMarket.Fading(90, weather.MeanTokens), tokensPerSecond: 3, cost: 0.003);

    private static PlanOffer[] Best(SimulatedMarket market) =>
        [.. MenuSolver.Solve(market.Truth with { TypeCount = 200 }, new(Plans)).Tiers.Select(t => new PlanOffer(t.CapTokens, t.PricePerConversation))];

    private static double Profit(SimulatedMarket market, PlanOffer[] menu) => market.Draw.Of(menu).Profit;
}
