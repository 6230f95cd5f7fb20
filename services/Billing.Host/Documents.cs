using Billing.Periods;

namespace Billing.Host;

/// <summary>A report of usage that is in the books. Inserted with the usage it brought, kept for ever: what arrives twice changes nothing.</summary>
/// <param name="Id">shard/number</param>
/// <param name="Lines">as usage sent them; null of a report that is older than keeping them</param>
public sealed record AppliedReport(
    string Id, int Shard, long Number, long FirstBatch, long LastBatch, string PreviousChain, ValueList<string> Roots, string Chain,
    DateTimeOffset RecordedAt, int LineCount, ValueList<ReportedLine>? Lines = null)
{
    public static string IdOf(int shard, long number) => $"{shard}/{number}";

    /// <summary>Whether it said this too, in whatever order; true where it is not known any more. A chain covers roots, which a report that names other lines can repeat.</summary>
    public bool Has(ValueList<ReportedLine> lines) => Lines is null || Sorted(Lines).Equals(Sorted(lines));

    private static ValueList<ReportedLine> Sorted(ValueList<ReportedLine> lines) => lines
        .OrderBy(l => l.PeriodId, StringComparer.Ordinal).ThenBy(l => l.SubscriptionId, StringComparer.Ordinal).ThenBy(l => l.PlanId, StringComparer.Ordinal).ThenBy(l => l.Kind, StringComparer.Ordinal).ThenBy(l => l.Tokens)
        .ToValueList();
}

/// <summary>
/// A message that billing could not take, with its reason. Nothing is lost and nothing passes it silently: a report that is
/// parked holds up the closing of periods until it can be applied.
/// </summary>
/// <param name="Id">the kind of message, its own key and what it says, hashed: it is parked once, and beside whatever else came under its key</param>
/// <param name="SetAsideAt">when somebody said that nothing waits for it; null where nobody has</param>
public sealed record ParkedMessage(string Id, string Reason, string Detail, string Body, DateTimeOffset At, DateTimeOffset? SetAsideAt = null);

/// <summary>Usage reached a period after its end: the closing of a later one looks here. One per report, deleted when it has been looked at.</summary>
public sealed record LateMark(string Id, string PeriodId, string SubscriptionId);

/// <summary>A final invoice. The document is kept as text, for jsonb would not keep its bytes.</summary>
public sealed record StoredInvoice(
    string Id, string Number, string PeriodId, string SubscriptionId, DateTimeOffset FinalizedAt, long TotalMicros, string DocumentSha256, string Document);

/// <summary>An issued credit note. Its event is in the stream of its invoice; the document is kept as text.</summary>
public sealed record StoredCreditNote(string Id, string Number, string InvoiceId, DateTimeOffset IssuedAt, string DocumentSha256, string Document);

/// <summary>A payment, a failed one or a refund of a provider that is recorded: no other invoice can have it too.</summary>
/// <param name="Id">payment, failure or refund, provider, reference</param>
public sealed record ProviderReference(string Id, string InvoiceId)
{
    public static ProviderReference Payment(string provider, string reference, string invoiceId) => new($"payment/{Key(provider, reference)}", invoiceId);
    public static ProviderReference Failure(string provider, string reference, string invoiceId) => new($"failure/{Key(provider, reference)}", invoiceId);
    public static ProviderReference Refund(string provider, string reference, string invoiceId) => new($"refund/{Key(provider, reference)}", invoiceId);

    /// <summary>
    /// A provider ends at the first '/'. One that has a '/' itself is told by its length, behind an empty name, which no provider has: else a/b with the reference c would be a with b/c.
    /// </summary>
    private static string Key(string provider, string reference) =>
        provider.Contains('/', StringComparison.Ordinal) ? FormattableString.Invariant($"/{provider.Length}/{provider}/{reference}") : $"{provider}/{reference}";
}
