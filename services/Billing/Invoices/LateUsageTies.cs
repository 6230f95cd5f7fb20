namespace Billing.Invoices;

/// <summary>What late usage ties a final invoice to others by: one that is tied is not voided.</summary>
/// <param name="EarlierPeriods">whose late usage is on it: it is on no other invoice</param>
/// <param name="GivenBackOn">numbers of later final invoices that give back usage which this one demands, or of its minimum</param>
public sealed record LateUsageTies(IReadOnlyList<string> EarlierPeriods, IReadOnlyList<string> GivenBackOn)
{
    public static LateUsageTies None { get; } = new([], []);

    /// <param name="total">of the invoice: a credit note mends only what demands something</param>
    /// <returns>null where it is tied to none: invoice_carries_late_usage, usage_given_back</returns>
    public Refusal? KeepsFromVoiding(Micros total) => this switch
    {
        { EarlierPeriods: [var earlier, ..] } =>
            Decision.Refuse("invoice_carries_late_usage", $"late usage of {earlier} is on it too, and on no other invoice, so it is not voided: {Instead(total)}"),
        { GivenBackOn: [var later, ..] } => Decision.Refuse("usage_given_back", $"{later} gives back what this invoice demands, so it is not voided: {Instead(total)}"),
        _ => null,
    };

    private static string Instead(Micros total) => total > Micros.Zero
        ? "issue a credit note over what is wrong"
        : $"{(total < Micros.Zero ? "record a refund when what it owes is paid out" : "grant again the credit that it used")}; usage that is wrong is corrected, and goes on the next invoice";
}
