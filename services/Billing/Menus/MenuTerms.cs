using System.Diagnostics;

namespace Billing.Menus;

/// <summary>What one plan costs and allows.</summary>
/// <param name="PeriodFeeMicros">for one whole billing period</param>
public sealed record PlanTerms(string PlanId, string Name, Micros PeriodFeeMicros, ValueList<Cap> Caps, ValueList<OveragePrice> Overage)
{
    /// <summary>The caps beyond which tokens are billed. Hard ones need no rating: what they stop is never generated.</summary>
    public IEnumerable<Cap> BilledCaps() => Caps.Where(c => c.Enforcement == CapEnforcement.Billed);

    public OveragePrice PriceOf(TokenKind kind) => Overage.FirstOrDefault(o => o.Kind == kind) ?? new(kind, default);
}

/// <summary>A published menu as billing rates it.</summary>
public sealed record MenuTerms(
    string MenuId, string Name, Currency Currency, int ConversationsPerPeriod, ValueList<PlanTerms> Plans, ValueList<string> Models,
    DateTimeOffset PublishedAt)
{
    public PlanTerms? Plan(string planId) => Plans.FirstOrDefault(p => p.PlanId == planId);
}

/// <summary>A menu is off sale: nobody new takes a plan of it.</summary>
public sealed record MenuWithdrawal(string Reason, DateTimeOffset At)
{
    /// <summary>Said alike by every decision that would sell a plan of it.</summary>
    public Refusal Refuse(string menuId) =>
        Decision.Refuse("menu_retired", $"{menuId} was taken off sale at {At:u} ({Reason}): take a menu that is on sale; who has a plan of it keeps that plan until it is changed");
}

/// <summary>Only what a decision needs.</summary>
public abstract record MenuState
{
    public sealed record None : MenuState;

    /// <param name="Withdrawal">null while the menu is on sale</param>
    public sealed record Received(MenuTerms Terms, MenuWithdrawal? Withdrawal = null) : MenuState;

    /// <summary>Off sale before its terms were heard of: messages come in any order.</summary>
    public sealed record WithdrawnUnread(MenuWithdrawal Withdrawal) : MenuState;

    public static MenuState Initial { get; } = new None();

    public static MenuState Evolve(MenuState state, MenuEvent e) => (state, e) switch
    {
        (None, MenuTermsReceived r) => new Received(TermsOf(r)),
        (WithdrawnUnread w, MenuTermsReceived r) => new Received(TermsOf(r), w.Withdrawal),
        (None, MenuWithdrawn w) => new WithdrawnUnread(new(w.Reason, w.At)),
        (Received { Withdrawal: null } s, MenuWithdrawn w) => s with { Withdrawal = new(w.Reason, w.At) },
        _ => throw new UnreachableException($"{e.GetType().Name} cannot follow {state.GetType().Name}: the stream is corrupt"),
    };

    private static MenuTerms TermsOf(MenuTermsReceived r) => new(r.MenuId, r.Name, r.Currency, r.ConversationsPerPeriod, r.Plans, r.Models, r.PublishedAt);
}
