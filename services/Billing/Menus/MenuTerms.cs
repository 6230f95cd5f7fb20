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

/// <summary>Only what a decision needs.</summary>
public abstract record MenuState
{
    public sealed record None : MenuState;
    public sealed record Received(MenuTerms Terms) : MenuState;

    public static MenuState Initial { get; } = new None();

    public static MenuState Evolve(MenuState state, MenuEvent e) => (state, e) switch
    {
        (None, MenuTermsReceived r) => new Received(new MenuTerms(r.MenuId, r.Name, r.Currency, r.ConversationsPerPeriod, r.Plans, r.Models, r.PublishedAt)),
        _ => throw new UnreachableException($"{e.GetType().Name} cannot follow {state.GetType().Name}: the stream is corrupt"),
    };
}
