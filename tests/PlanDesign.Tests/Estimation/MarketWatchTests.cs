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
            Assert.Equal((Jan1.AddDays(day), false, customers), (look.Time.Until.At, look.Time.HasEnough, look.Seen.Menus[0].Customers));
            Assert.EndsWith($" and {customers} customers to compare with, and goes on: that takes 30 answered conversations and 50 customers", look.Sentence, StringComparison.Ordinal);
        }
        var enough = await seller.LookAsync(6);
        Assert.Null(enough.Adaptation);
        Assert.EndsWith(" and 60 customers to compare with", enough.Sentence, StringComparison.Ordinal);
        // From here on that time stands, and later ones are compared with it.
        foreach (var day in new[] { 9, 12 })
        {
            var later = await seller.LookAsync(day);
            Assert.Equal((Jan1.AddDays(6), true), (later.Time.Until.At, later.Time.HasEnough));
            Assert.NotNull(later.Adaptation);
            Assert.Contains("over ", later.Adaptation.Drift.PlanShares.Sentence);
            Assert.EndsWith($"since 2026-01-07 00:00Z and choices since 2026-01-07 00:00Z; compared with 2026-01-01 00:00Z to 2026-01-07 00:00Z", later.Sentence, StringComparison.Ordinal);
        }
    }

    [Theory, InlineData(true), InlineData(false)]
    public async Task A_late_shift_is_not_thinned_by_the_months_before_it_and_the_draft_is_of_the_market_as_it_is_now(bool counted)
    {
        // A year of the old market, then a fortnight of patient customers, who are a thirtieth of everything since January, and six weeks more.
        var seller = new Seller(n => (n is >= 364 and < 420 ? Patient : Was, 40));
        if (!counted) seller.BeginUncounted();
        for (var day = 14; day <= 364; day += 14) await seller.LookAsync(day, new(Level: 1e-9), counted);
        Assert.Equal(Jan1.AddDays(14), seller.Time.Until.At);

        var found = await seller.LookAsync(378, counted: counted);
        Assert.Equal((AdaptationDecision.CannotTell, Jan1.AddDays(378)), (found.Adaptation!.Decision, seller.Time.MovedAt!.At));
        Assert.Null(found.Adaptation.Estimate);
        Assert.True(found.Adaptation.Drift.PlanShares.IsDrift);
        Assert.StartsWith("the market moved, and what it is now is learned from what comes after that was found", found.Sentence, StringComparison.Ordinal);
        // Not of the fortnight before it, in which the market may have been either, and was.
        foreach (var day in new[] { 392, 420 })
        {
            var look = await seller.LookAsync(day, counted: counted);
            Assert.Equal((AdaptationDecision.DraftMenu, Jan1.AddDays(day - (day == 392 ? 14 : 28))), (look.Adaptation!.Decision, look.ConversationsFrom));
            Assert.Equal(look.ConversationsFrom, look.ChoicesFrom);
            if (counted) Assert.True(look.Adaptation.Estimate!["mu"].Covers(-2.2), look.Adaptation.Estimate["mu"].ToString());
        }
        // A market that is as before again is no longer one that moved.
        await seller.LookAsync(448, counted: counted);
        Assert.Null((await seller.LookAsync(476, counted: counted)).Time.MovedAt);
    }

    [Fact]
    public async Task A_menu_that_was_solved_from_a_market_that_never_was_is_held_against_an_estimate_once_it_was_on_sale_for_a_window()
    {
        var seller = new Seller(_ => (Patient, 40));
        foreach (var day in new[] { 7, 14, 21 }) Assert.Null((await seller.LookAsync(day)).Adaptation?.Estimate);
        Assert.Equal(AdaptationDecision.DraftMenu, (await seller.LookAsync(28)).Adaptation!.Decision);
        Assert.True(seller.Time.IsJudged);
        var next = await seller.LookAsync(35);
        Assert.Equal((AdaptationDecision.KeepMenu, null), (next.Adaptation!.Decision, next.Adaptation.Estimate));
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
        Assert.True(all.ConversationsFrom > seller.Time.Until.At);
        Assert.Equal(seller.Time.Until.At, (await seller.LookAsync(202, new(Level: 1e-9) { Window = TimeSpan.FromDays(300) })).ConversationsFrom);
    }

    /// <summary>Subscribers go on talking while hardly anybody is new: after a window there is more than enough of lengths, and too little of choices.</summary>
    [Fact]
    public async Task Where_hardly_anybody_is_new_since_the_market_moved_choices_from_before_that_are_not_mixed_in()
    {
        var quicker = new SimulatedMarket(Was.Truth.Urgency, SimulatedMarket.Fading(24, 3));
        MarketObservations Talk(int day) => (day < 100 ? Was : quicker).Observe(MarketEstimation.SeedOf(43, day), 60, Running, labelled: false);
        MarketObservations Choose(int day) => (day < 100 ? Was : quicker).Observe(MarketEstimation.SeedOf(44, day), day < 10 ? 30 : 1, Running);
        IEnumerable<T> Each<T>(DateTimeOffset from, DateTimeOffset to, Func<int, T> of) => Enumerable.Range((from - Jan1).Days, (to - from).Days).Select(of);
        var source = new WatchSource(
            (from, to) => Task.FromResult<IReadOnlyList<ObservedConversation>>([.. Each(from, to, Talk).SelectMany(d => d.Conversations)]),
            (from, to) => Task.FromResult<IReadOnlyList<PlanBought>>(
                [.. Running.Select((o, k) => new PlanBought($"plan-{k}", o.CapTokens, o.PricePerConversation, Each(from, to, Choose).Sum(d => d.Menus[0].Plans[k].Customers)))]),
            Was.Truth.TokensPerSecond, Was.Truth.ValuePerAnswer, Was.Truth.ServingCostPerToken);
        var time = WatchedTime.Begin(Jan1, counted: false);
        async Task<WatchFinding> Look(int day, double level = 0.001)
        {
            var found = await MarketWatch.LookAsync(time, Jan1.AddDays(day), null, source, Estimation, new(3), new AdaptationOptions(Level: level));
            time = found.Time;
            return found;
        }
        await Look(10);
        foreach (var day in new[] { 17, 94 }) Assert.Equal(AdaptationDecision.KeepMenu, (await Look(day, level: 1e-12)).Adaptation!.Decision);
        Assert.Equal((AdaptationDecision.CannotTell, Jan1.AddDays(108)), ((await Look(108)).Adaptation!.Decision, time.MovedAt!.At));
        Assert.Equal(AdaptationDecision.CannotTell, (await Look(122)).Adaptation!.Decision);
        foreach (var day in new[] { 136, 143 })
        {
            var look = await Look(day);
            Assert.Equal((Jan1.AddDays(day - 28), Jan1.AddDays(108)), (look.ConversationsFrom, look.ChoicesFrom));
            Assert.Contains("so urgency is held at what", look.Sentence, StringComparison.Ordinal);
        }
    }

    [Fact]
    public async Task Those_who_bought_nothing_are_remembered_once_in_a_part_of_the_window_however_often_it_is_looked()
    {
        var seller = new Seller(_ => (Was, 60));
        var options = new AdaptationOptions(Level: 1e-9) { Window = TimeSpan.FromDays(56) };
        for (var day = 1; day <= 11; day++) await seller.LookAsync(day, options);
        Assert.Equal([3, 5, 7, 9, 11], seller.Time.Marks.Select(c => (c.At - Jan1).Days));
    }
}
