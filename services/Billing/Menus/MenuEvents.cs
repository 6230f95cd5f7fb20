namespace Billing.Menus;

// Stored facts. A name here is a row in mt_events: add, never rename, never reshape.
public abstract record MenuEvent;

/// <summary>A menu was published. Its terms are kept as they were received, for a menu never changes and an invoice needs them for ever.</summary>
public sealed record MenuTermsReceived(
    string MenuId, string Name, Currency Currency, int ConversationsPerPeriod, ValueList<PlanTerms> Plans, ValueList<string> Models,
    DateTimeOffset PublishedAt) : MenuEvent;

/// <summary>A menu went off sale. It may be heard of before its terms are.</summary>
/// <param name="Reason">as plan design was told</param>
public sealed record MenuWithdrawn(string MenuId, string Reason, DateTimeOffset At) : MenuEvent;
