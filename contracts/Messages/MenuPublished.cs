namespace Contracts.Messages;

/// <summary>A menu is on sale and will never change. From plan design, for billing. Money in whole micros of the menu's currency.</summary>
public sealed record MenuPublished(
    string MenuId,
    string Name,
    string Currency,
    int ConversationsPerPeriod,
    IReadOnlyList<PublishedPlan> Plans,
    IReadOnlyList<string> Models,
    DateTimeOffset PublishedAt);

/// <summary>One tier as it is sold: what a period costs, which caps hold, and what billed tokens beyond a cap cost.</summary>
public sealed record PublishedPlan(
    string PlanId,
    string Name,
    long PeriodFeeMicros,
    IReadOnlyList<PublishedCap> Caps,
    IReadOnlyList<PublishedOverage> Overage);

/// <param name="Window">conversation, five_hours, week or billing_period</param>
/// <param name="Counts">token kinds: input, cached_input, cache_creation, output, reasoning</param>
/// <param name="Enforcement">hard or billed</param>
public sealed record PublishedCap(string Window, long Tokens, IReadOnlyList<string> Counts, string Enforcement);

/// <param name="PerMillionTokens">a decimal in major units, as text; empty where there are tiers or packages, so that whoever does not know them does not bill by another price</param>
/// <param name="Model">graduated: each tier's tokens at its price; volume: all at the price of the tier they reach; package: so much for each package that is begun; empty for one price</param>
/// <param name="Tiers">in order; null for one price</param>
/// <param name="Package">null unless the model says so</param>
public sealed record PublishedOverage(string Kind, string PerMillionTokens, string Model = "", IReadOnlyList<PublishedPriceTier>? Tiers = null, PublishedPackage? Package = null);

/// <param name="Tokens">in one package</param>
public sealed record PublishedPackage(long Tokens, long PriceMicros);

/// <param name="UpTo">the tier's last token, counted from the first beyond the cap; 0 for the last tier, which has no end</param>
/// <param name="PerMillionTokens">a decimal in major units, as text</param>
public sealed record PublishedPriceTier(long UpTo, string PerMillionTokens);
