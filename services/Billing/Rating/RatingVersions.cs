namespace Billing.Rating;

/// <summary>
/// By which rules an invoice was rated: it is replayed by them for ever. Those without InvoiceTermsCut are version 1, those whose cut names no version
/// are version 2; README.md lists what is different.
/// </summary>
public static class RatingVersions
{
    /// <summary>No agreements, no credit, no tax.</summary>
    public const int PlansAlone = 1;

    /// <summary>
    /// Everything in the published order. But the seller's first tax rate taxes the days before it, prepaid tokens are spent on what costs nothing, and a sum of exactly half a
    /// minor unit may be rounded down where it was divided before.
    /// </summary>
    public const int PublishedOrder = 2;

    /// <summary>Without these three. But late usage goes by what is agreed when it is invoiced, and a customer's tax identity is told from the time of day of its clocks as if they showed UTC.</summary>
    public const int Corrected = 3;

    /// <summary>Late usage goes by what was agreed then. But a tax rate that was set from now on is dated by UTC and compared with what the customer's clocks show.</summary>
    public const int AsAgreedThen = 4;

    /// <summary>A rate that was set from now on begins at that moment. But a seller that says that it is not subject to VAT is taxed by its table all the same.</summary>
    public const int RatesFromNow = 5;

    /// <summary>It is taxed by nothing. But of two rates the one counts that began later by the customer's clocks, which may be another one elsewhere.</summary>
    public const int NotSubjectToVat = 6;

    /// <summary>The one of the latest day does. But a period whose subscription was cancelled in it is taxed as of its end, not of that of the subscription.</summary>
    public const int RatesByDay = 7;

    /// <summary>It is taxed as of that. But late usage of a period whose invoice is void is rated as if that had been demanded: what is taken back of it is given back, and its minimum counts as paid.</summary>
    public const int TaxedAsServed = 8;

    /// <summary>As README.md says.</summary>
    public const int VoidNotGivenBack = 9;

    /// <summary>Of drafts, and of invoices that become final now.</summary>
    public const int Latest = VoidNotGivenBack;

    /// <summary>For whoever chooses one: from 1 to the latest, what each does that the one before does not.</summary>
    public static IReadOnlyList<string> InWords { get; } =
    [
        "rates by plans alone", "by the whole published order", "likewise without tax before its rate begins or prepaid tokens for what costs nothing", "late usage by what was agreed then", "tax rates set from now on by the moment",
        "no tax of a seller that is not subject to VAT", "of tax rates that of the latest day and of one day the later word", "a cancelled subscription taxed as of its end", "nothing given back that was on a void invoice",
    ];
}
