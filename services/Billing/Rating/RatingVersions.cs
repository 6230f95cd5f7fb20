namespace Billing.Rating;

/// <summary>
/// By which rules an invoice was rated: it is replayed by them for ever. Those without InvoiceTermsCut are version 1, those whose cut names no version
/// are version 2; README.md lists what is different.
/// </summary>
public static class RatingVersions
{
    /// <summary>No agreements, no credit, no tax.</summary>
    public const int PlansAlone = 1;

    /// <summary>Everything in the published order. The seller's first tax rate holds before its day too, and prepaid tokens are spent on what costs nothing.</summary>
    public const int PublishedOrder = 2;

    /// <summary>A tax rate holds from its day on, and prepaid tokens are spent on what costs something.</summary>
    public const int InForceAndOfWorth = 3;

    /// <summary>Of drafts, and of invoices that become final now.</summary>
    public const int Latest = InForceAndOfWorth;
}
