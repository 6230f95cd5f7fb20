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
/// <param name="Week">The first of them, from 0.</param>
/// <param name="Market">What moved.</param>
/// <param name="Static">The menu solved before the year.</param>
/// <param name="Adapting">The menus on sale in those weeks, on average.</param>
/// <param name="Best">The menu of somebody who knows the market.</param>
/// <param name="Decisions">Of the look at the end of each week; Published where a person put the draft of the week before on sale instead.</param>
public sealed record AdaptPeriod(int Week, string Market, double Static, double Adapting, double Best, IReadOnlyList<string> Decisions);

/// <param name="Gain">Σ over periods in which adapting earned more, in parts of what the static menu earned in the year.</param>
/// <param name="Loss">Σ over periods in which it earned less, in the same parts.</param>
/// <param name="Drafts">New menus in the year.</param>
public sealed record AdaptYear(int Seed, double Static, double Adapting, double Best, double Gain, double Loss, int Drafts, IReadOnlyList<AdaptPeriod> Periods)
{
    public double Net => Gain - Loss;
}

/// <summary>
/// A year whose market moves, for a seller who adapts and one who keeps the menu: steady weeks, a slow turn to patient customers, answers that take
/// twice as long, a month of hurried customers that passes. Adapting is <c>billing menu watch</c> as it is by itself, with a look each week (<see cref="MarketWatch"/>: its times, its
/// tests, its bar), and a person who publishes a draft a week after it. Adapting learns late, so what passes quickly costs it; both are printed.
/// Customers are drawn from fixed seeds.
/// </summary>
public sealed record AdaptBench(double NetMean, double NetWorst, double GainMean, double LossMean, double StaticShareOfBest, double AdaptingShareOfBest, double DraftsMean, IReadOnlyList<AdaptYear> Years)
{
    private const int CustomersPerDay = 107, DaysPerWeek = 7, DaysPerPeriod = 4 * DaysPerWeek, MovesDaysLate = 3, Plans = 3;
    private static readonly DateTimeOffset Begin = new(2026, 1, 1, 0, 0, 0, TimeSpan.Zero);
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
            all.Average(y => y.Static / y.Best), all.Average(y => y.Adapting / y.Best), all.Average(y => y.Drafts), all);
    }

    public string ToJson() => JsonSerializer.Serialize(this, CamelCase);

    public string ToText()
    {
        var text = new StringBuilder();
        void Line(FormattableString line) => text.AppendLine(line.ToString(CultureInfo.InvariantCulture));
        Line($"One year (seed {Years[0].Seed}), profit per conversation; gain or loss of adapting over the static menu");
        Line($"{"week",4}  {"market",-24}{"static",10}{"adapting",10}{"best",10}{"gain",9}  at the end of each week");
        foreach (var p in Years[0].Periods)
            Line($"{p.Week,4}  {p.Market,-24}{p.Static,10:F5}{p.Adapting,10:F5}{p.Best,10:F5}{p.Adapting / p.Static - 1,9:+0.0%;-0.0%;0.0%}  {string.Join(", ", p.Decisions)}");
        Line($"{Years.Count} years: gains {GainMean:P2}, losses {LossMean:P2}, net {NetMean:P2} of the static menu's year on average, worst year {NetWorst:P2}; {DraftsMean:F1} new menus a year");
        Line($"Of what the best menu of every period earns: static {StaticShareOfBest:P1}, adapting {AdaptingShareOfBest:P1}");
        return text.ToString();
    }

    private static AdaptYear Year(int seed)
    {
        var (estimation, solving) = (new EstimationOptions(Draws: 100, Seed: seed) { TypeCount = 150 }, new SolveOptions(Plans));
        SimulatedMarket[] markets = [.. Weather.Select(Of)];
        PlanOffer[][] best = [.. markets.Select(Best)];
        var (shop, draft, decisions) = (new Shop(MarketEstimation.SeedOf(20251009, seed), best[0], 0), (PlanOffer[]?)null, new List<string>());
        var adapting = new double[Weather.Length];
        for (var day = 0; day < DaysPerPeriod * Weather.Length; day++)
        {
            var now = PeriodOf(day);
            shop.Sell(markets[now]);
            adapting[now] += Profit(markets[now], shop.Menu);
            if ((day + 1) % DaysPerWeek != 0) continue;
            if (draft is not null)
            {
                (shop, draft) = (new(shop.Random, draft, day + 1), null);
                decisions.Add("Published");
                continue;
            }
            var found = shop.Look(estimation, solving);
            decisions.Add(found?.Decision.ToString() ?? "Remembered");
            if (found is { Decision: AdaptationDecision.DraftMenu }) draft = [.. found.Next!.Offers];
        }
        AdaptPeriod[] periods = [.. Weather.Select((weather, n) =>
        {
            var days = Enumerable.Range(0, DaysPerPeriod * Weather.Length).Count(day => PeriodOf(day) == n);
            var weeks = DaysPerPeriod / DaysPerWeek;
            return new AdaptPeriod(weeks * n, weather.Name, Profit(markets[n], best[0]), adapting[n] / days, Profit(markets[n], best[n]), [.. decisions.Skip(weeks * n).Take(weeks)]);
        })];
        var (all, kept) = (periods.Sum(p => p.Adapting), periods.Sum(p => p.Static));
        return new(seed, kept, all, periods.Sum(p => p.Best), periods.Sum(p => Math.Max(0, p.Adapting - p.Static)) / kept,
            periods.Sum(p => Math.Max(0, p.Static - p.Adapting)) / kept, decisions.Count(d => d == nameof(AdaptationDecision.DraftMenu)), periods);
    }

    /// <summary>The market moves in the middle of a week, not with the looks.</summary>
    private static int PeriodOf(int day) => Math.Max(0, day - MovesDaysLate) / DaysPerPeriod;

    /// <summary>One menu on sale, its customers day by day, and the watch on it.</summary>
    private sealed class Shop(Random random, PlanOffer[] menu, int opened)
    {
        private readonly List<MarketObservations> _days = [];
        private WatchedTime _time = WatchedTime.Begin(At(opened), counted: true);

        public Random Random => random;
        public PlanOffer[] Menu => menu;
        private int Day => opened + _days.Count;

        public void Sell(SimulatedMarket market)
        {
            var seen = market.Observe(random, CustomersPerDay, menu, conversationsEach: 2);
            // A customer of one day is not that of another.
            _days.Add(seen with { Conversations = [.. seen.Conversations.Select(c => c with { Customer = $"{Day} {c.Customer}" })] });
        }

        /// <returns>Null while there is too little to compare with.</returns>
        public MenuAdaptation? Look(EstimationOptions estimation, SolveOptions solving)
        {
            var truth = _days[^1];
            var source = new WatchSource(
                (from, to) => Task.FromResult<IReadOnlyList<ObservedConversation>>([.. Between(from, to).SelectMany(d => d.Conversations)]),
                (from, to) => Task.FromResult<IReadOnlyList<PlanBought>>([.. truth.Menus[0].Plans.Select((p, k) => p with { Customers = Between(from, to).Sum(d => d.Menus[0].Plans[k].Customers) })]),
                truth.TokensPerSecond, truth.ValuePerAnswer, truth.ServingCostPerToken);
            // Nothing in it waits.
            var found = MarketWatch.LookAsync(_time, At(Day), _days.Sum(d => d.Menus[0].CustomersWithoutPlan), source, estimation, solving, new()).GetAwaiter().GetResult();
            _time = found.Time;
            return found.Adaptation;
        }

        private IEnumerable<MarketObservations> Between(DateTimeOffset from, DateTimeOffset to) => _days.Skip((from - At(opened)).Days).Take((to - from).Days);

        private static DateTimeOffset At(int day) => Begin.AddDays(day);
    }

    private static SimulatedMarket Of((string Name, double Mu, double MeanTokens) weather) =>
        new(new LogNormalUrgency(weather.Mu, 0.8), SimulatedMarket.Fading(90, weather.MeanTokens), tokensPerSecond: 3, cost: 0.003);

    private static PlanOffer[] Best(SimulatedMarket market) =>
        [.. MenuSolver.Solve(market.Truth with { TypeCount = 200 }, new(Plans)).Tiers.Select(t => new PlanOffer(t.CapTokens, t.PricePerConversation))];

    private static double Profit(SimulatedMarket market, PlanOffer[] menu) => market.Draw.Of(menu).Profit;
}
