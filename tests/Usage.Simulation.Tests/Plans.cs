using Billing;
using Billing.Periods;
using Usage.Caps;

namespace Usage.Simulation.Tests;

/// <summary>What subscriptions may use, with caps so small that they are met; and the periods and plans that billing knows.</summary>
internal sealed class Plans(Draw draw)
{
    public static readonly DateTimeOffset Feb1 = new(2026, 2, 1, 0, 0, 0, TimeSpan.Zero), Mar1 = Feb1.AddMonths(1);
    public static readonly Guid Plan = Ids.DeriveGuid(World.Jan1, "plan");

    public Dictionary<string, KnownPeriod> Opened { get; } = [];
    public Dictionary<string, ValueList<string>> Sold { get; } = [];

    public SubscriptionTerms First(Guid subscription)
    {
        var caps = new List<Cap>();
        IReadOnlyList<TokenKind> counts = draw.Chance(0.8) ? Cap.GeneratedTokens : [TokenKind.Input, .. Cap.GeneratedTokens];
        if (draw.Chance(0.6)) caps.Add(new Cap(CapWindow.Conversation, draw.Int(5, 60), counts, CapEnforcement.Hard));
        if (draw.Chance(0.2)) caps.Add(new Cap(CapWindow.FiveHours, draw.Int(10, 90), counts, CapEnforcement.Hard));
        if (draw.Chance(0.1)) caps.Add(new Cap(CapWindow.Week, draw.Int(10, 90), counts, draw.Chance(0.5) ? CapEnforcement.Hard : CapEnforcement.Billed));
        if (draw.Chance(0.8) || caps.Count == 0) caps.Add(new Cap(CapWindow.BillingPeriod, draw.Int(8, 120), counts, CapEnforcement.Hard));
        Sold.Add(SimulatedStore.Name(subscription), new([SimulatedStore.Name(Plan)]));
        return new SubscriptionTerms(subscription, 1, true, Plan, caps, [], Open(subscription, 0, World.Jan1, Feb1), Open(subscription, 1, Feb1, Mar1));
    }

    public SubscriptionTerms Next(SubscriptionTerms old) => old with
    {
        Version = old.Version + 1,
        // What is cancelled stays so, and what rests is resumed by nothing but its resumption.
        Active = !draw.Chance(0.2) && old.Active,
        Caps = [.. Windows(old.Caps).Select(c => c with { Tokens = Math.Max(1, c.Tokens + draw.Int(-30, 40)) })],
    };

    /// <summary>It rests, for as long as somebody likes.</summary>
    public static SubscriptionTerms Pause(SubscriptionTerms old) => old with { Version = old.Version + 1, Active = false, Paused = true };

    public static SubscriptionTerms Resume(SubscriptionTerms old) => old with { Version = old.Version + 1, Active = true, Paused = false };

    /// <summary>The same a month later: billing has opened another period.</summary>
    public SubscriptionTerms Later(SubscriptionTerms old) => old with { Version = old.Version + 1, Current = old.Next, Next = Open(old.Subscription, old.Next.Number + 1, old.Next.End, old.Next.End.AddMonths(1)) };

    /// <summary>A plan may bring a window of five hours or a week, or drop one; never the last cap.</summary>
    private IEnumerable<Cap> Windows(IReadOnlyList<Cap> caps)
    {
        if (!draw.Chance(0.4)) return caps;
        var window = draw.Of([CapWindow.FiveHours, CapWindow.Week]);
        Cap[] others = [.. caps.Where(c => c.Window != window)];
        if (others.Length == caps.Count) return [.. caps, new Cap(window, draw.Int(30, 90), caps[0].Counts, CapEnforcement.Hard)];
        return others.Length == 0 ? caps : others;
    }

    /// <summary>Billing has not heard of something yet that usage has: it was restored from a backup, say, and is told again what it lacks.</summary>
    public bool AnyUnheard { get; private set; }

    public Action Unhear(Guid subscription)
    {
        var of = SimulatedStore.Name(subscription);
        AnyUnheard = true;
        if (draw.Chance(0.5))
        {
            var plans = Sold[of];
            Sold.Remove(of);
            return () => (AnyUnheard, Sold[of]) = (false, plans);
        }
        List<KeyValuePair<string, KnownPeriod>> periods = [.. Opened.Where(p => p.Value.SubscriptionId == of)];
        foreach (var (id, _) in periods) Opened.Remove(id);
        return () =>
        {
            AnyUnheard = false;
            foreach (var (id, period) in periods) Opened[id] = period;
        };
    }

    public static Guid PeriodOf(Guid subscription, DateTimeOffset start) => Ids.DeriveGuid(start, "period", SimulatedStore.Name(subscription));

    private TermPeriod Open(Guid subscription, int number, DateTimeOffset start, DateTimeOffset end)
    {
        var (period, of) = (new TermPeriod(PeriodOf(subscription, start), number, start, end), SimulatedStore.Name(subscription));
        Opened.Add(SimulatedStore.Name(period.Id), new(SimulatedStore.Name(period.Id), of, end));
        return period;
    }
}
