using Billing.Invoices;
using Billing.Menus;
using Billing.Periods;
using Billing.Subscriptions;

namespace Billing.Tests;

/// <summary>Fixed dates, ids and terms that the tests speak of.</summary>
public static class Some
{
    public static readonly DateTimeOffset Jan1 = new(2026, 1, 1, 0, 0, 0, TimeSpan.Zero);
    public static readonly DateTimeOffset Feb1 = Jan1.AddMonths(1), Mar1 = Jan1.AddMonths(2);
    public static readonly TimeSpan Grace = TimeSpan.FromHours(1);
    public static readonly string Customer = Ids.Derive(Ids.Customer, Jan1, "acme"), Subscription = Ids.Derive(Ids.Subscription, Jan1, "acme");
    public static readonly string Menu = Ids.Derive(Ids.Menu, Jan1, "spring"), Small = Ids.Derive(Ids.Plan, Jan1, "small"), Metered = Ids.Derive(Ids.Plan, Jan1, "metered");
    public static readonly string January = PeriodIds.Of(Subscription, 0, Jan1), February = PeriodIds.Of(Subscription, 1, Feb1);

    /// <summary>A hard-capped plan for 20.00, and one for 5.00 with 1,000 generated tokens included.</summary>
    public static MenuTerms Terms(string currency = "USD") => new(
        Menu, "Spring", Currency.Parse(currency), 20,
        [
            new(Small, "Small", new(20_000_000), [Cap.Hard(CapWindow.Conversation, 1_000)], []),
            new(Metered, "Metered", new(5_000_000), [new(CapWindow.BillingPeriod, 1_000, Cap.GeneratedTokens, CapEnforcement.Billed)],
                [new(TokenKind.Output, UnitPrice.Parse("12.5")), new(TokenKind.Reasoning, UnitPrice.Parse("25"))]),
        ],
        [], Jan1);

    public static IReadOnlyDictionary<string, MenuTerms> Book(MenuTerms? terms = null) => new Dictionary<string, MenuTerms> { [Menu] = terms ?? Terms() };

    public static PeriodOpened Opened(string plan, int number = 0) => number == 0
        ? new(Subscription, Customer, Menu, plan, 0, Jan1, Feb1, "", Jan1)
        : new(Subscription, Customer, Menu, plan, 1, Feb1, Mar1, January, Jan1);

    public static UsageApplied Usage(long report, params PlanTokens[] lines) => new(3, report, lines.ToValueList(), Jan1);
    public static PlanTokens Tokens(string plan, TokenKind kind, long tokens) => new(plan, kind, tokens);
    public static PeriodClosed Closed(DateTimeOffset? at = null) => new([new(3, 9)], at ?? Feb1 + Grace);

    public static Scenario<PeriodState, PeriodEvent> APeriod => new(PeriodState.Initial, PeriodState.Evolve);
    public static PeriodState PeriodAfter(params PeriodEvent[] events) => events.Aggregate(PeriodState.Initial, PeriodState.Evolve);
    public static PeriodFacts FactsAfter(params PeriodEvent[] events) => PeriodAfter(events) switch
    {
        PeriodState.Open o => o.Facts,
        PeriodState.Closed c => c.Facts,
        _ => throw new InvalidOperationException("nothing was opened"),
    };
}
