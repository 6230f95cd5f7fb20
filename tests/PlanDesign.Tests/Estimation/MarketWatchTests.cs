using PlanDesign.Screening;
using PlanDesign.Urgency;

namespace PlanDesign.Estimation;

/// <summary>Which times a watch compares, and what it learns from.</summary>
public sealed class MarketWatchTests
{
    private static readonly DateTimeOffset Jan1 = new(2026, 1, 1, 0, 0, 0, TimeSpan.Zero);
    private static readonly SimulatedMarket Was = new(new LogNormalUrgency(-1.5, 0.8), SimulatedMarket.Fading(24, 8)), Patient = new(new LogNormalUrgency(-2.2, 0.8), SimulatedMarket.Fading(24, 8));
    private static readonly PlanOffer[] Running = [new(24, 0.42), new(6, 0.27), new(2, 0.13)];
    private static readonly EstimationOptions Estimation = new(Draws: 40, Seed: 3) { TypeCount = 60 };

    /// <summary>So many customers a day see the menu from the day of the first of January on; each buys or not, and talks twice at once.</summary>
    private sealed class Seller(Func<int, (SimulatedMarket Market, int Customers)> day)
    {
        private readonly Dictionary<int, MarketObservations> _days = [];

        public WatchedTime Time { get; private set; } = WatchedTime.Begin(Jan1, counted: true);

        public async Task<WatchFinding> LookAsync(int now, AdaptationOptions? options = null, bool counted = true)
        {
            var found = await MarketWatch.LookAsync(Time, Jan1.AddDays(now), counted ? Without(0, now) : null, Source, Estimation, new(3), options ?? new());
            Time = found.Time;
            return found;
        }

        public void BeginUncounted() => Time = WatchedTime.Begin(Jan1, counted: false);

        private WatchSource Source => new(
            (from, to) => Task.FromResult<IReadOnlyList<ObservedConversation>>([.. Days(from, to).SelectMany(d => d.Conversations)]),
            (from, to) => Task.FromResult<IReadOnlyList<PlanBought>>(
                [.. Running.Select((o, k) => new PlanBought($"plan-{k}", o.CapTokens, o.PricePerConversation, Days(from, to).Sum(d => d.Menus[0].Plans[k].Customers)))]),
            Was.Truth.TokensPerSecond, Was.Truth.ValuePerAnswer, Was.Truth.ServingCostPerToken);

        private long Without(int from, int to) => Enumerable.Range(from, to - from).Sum(n => Day(n).Menus[0].CustomersWithoutPlan!.Value);

        private IEnumerable<MarketObservations> Days(DateTimeOffset from, DateTimeOffset to) => Enumerable.Range((from - Jan1).Days, (to - from).Days).Select(Day);

        private MarketObservations Day(int n)
        {
            if (_days.TryGetValue(n, out var seen)) return seen;
            var (market, customers) = day(n);
            return _days[n] = market.Observe(MarketEstimation.SeedOf(41, n), customers, Running, conversationsEach: 2, labelled: false);
        }
    }

    [Fact]
    public async Task Begun_as_the_menu_goes_on_sale_it_remembers_until_there_is_enough_to_compare_with_and_then_compares()
    {
        var seller = new Seller(n => (Was, n < 3 ? 0 : 20));
        foreach (var (day, customers) in new[] { (0, 0), (1, 0), (4, 20), (5, 40) })
        {
            var look = await seller.LookAsync(day);
            Assert.Null(look.Adaptation);
            Assert.Equal((Jan1.AddDays(day), false, customers), (look.Time.Until, look.Time.HasEnough, look.Seen.Menus[0].Customers));
            Assert.EndsWith($" and {customers} customers to compare with, and goes on: that takes 30 answered conversations and 50 customers", look.Sentence, StringComparison.Ordinal);
        }
        var enough = await seller.LookAsync(6);
        Assert.Null(enough.Adaptation);
        Assert.EndsWith(" and 60 customers to compare with", enough.Sentence, StringComparison.Ordinal);
        // From here on that time stands, and later ones are compared with it.
        foreach (var day in new[] { 9, 12 })
        {
            var later = await seller.LookAsync(day);
            Assert.Equal((Jan1.AddDays(6), true), (later.Time.Until, later.Time.HasEnough));
            Assert.NotNull(later.Adaptation);
            Assert.Contains("over ", later.Adaptation.Drift.PlanShares.Sentence);
            Assert.EndsWith($"since 2026-01-07 00:00Z and choices since 2026-01-07 00:00Z; compared with 2026-01-01 00:00Z to 2026-01-07 00:00Z", later.Sentence, StringComparison.Ordinal);
        }
    }

    [Theory, InlineData(true), InlineData(false)]
    public async Task A_late_shift_is_not_thinned_by_the_months_before_it_and_the_draft_is_of_the_market_as_it_is_now(bool counted)
    {
        // A year of the old market, then six weeks of patient customers: of everything since January they are a tenth.
        var seller = new Seller(n => (n < 364 ? Was : Patient, 40));
        if (!counted) seller.BeginUncounted();
        for (var day = 14; day <= 364; day += 14) await seller.LookAsync(day, new(Level: 1e-9), counted);
        Assert.Equal(Jan1.AddDays(14), seller.Time.Until);

        var look = await seller.LookAsync(406, counted: counted);
        // Those who bought nothing are known at looks only, so there the window begins at the one before it.
        Assert.Equal((Jan1.AddDays(counted ? 364 : 378), Jan1.AddDays(counted ? 364 : 378)), (look.ConversationsFrom, look.ChoicesFrom));
        if (counted) Assert.Equal(42 * 40, look.Seen.Menus[0].Customers);
        Assert.True(look.Adaptation!.Drift.PlanShares.IsDrift);
        Assert.Equal(AdaptationDecision.DraftMenu, look.Adaptation.Decision);
        if (counted) Assert.True(look.Adaptation.Estimate!["mu"].Covers(-2.2), look.Adaptation.Estimate["mu"].ToString());
    }

    [Fact]
    public async Task Where_few_are_new_their_choices_are_looked_for_further_back_than_conversations()
    {
        var seller = new Seller(n => (Was, n < 10 ? 30 : n % 7 == 0 ? 2 : 1));
        await seller.LookAsync(10);
        for (var day = 17; day < 200; day += 7) await seller.LookAsync(day, new(Level: 1e-9) { Window = TimeSpan.FromDays(14) });
        var look = await seller.LookAsync(200, new(Level: 1e-9) { Window = TimeSpan.FromDays(28) });
        Assert.Equal(Jan1.AddDays(171), look.ConversationsFrom);
        // 28 days have 32 customers, 56 have 64: at the look before them.
        Assert.Equal(Jan1.AddDays(143), look.ChoicesFrom);
        Assert.InRange(look.Seen.Menus[0].Customers, 50, 70);
        // Not before the end of what is compared with.
        var all = await seller.LookAsync(201, new(Level: 1e-9) { Window = TimeSpan.FromDays(150) });
        Assert.True(all.ConversationsFrom > seller.Time.Until);
        Assert.Equal(seller.Time.Until, (await seller.LookAsync(202, new(Level: 1e-9) { Window = TimeSpan.FromDays(300) })).ConversationsFrom);
    }

    [Fact]
    public async Task Those_who_bought_nothing_are_remembered_once_in_a_part_of_the_window_however_often_it_is_looked()
    {
        var seller = new Seller(_ => (Was, 60));
        var options = new AdaptationOptions(Level: 1e-9) { Window = TimeSpan.FromDays(56) };
        for (var day = 1; day <= 11; day++) await seller.LookAsync(day, options);
        Assert.Equal([3, 5, 7, 9, 11], seller.Time.Counts.Select(c => (c.At - Jan1).Days));
    }
}
