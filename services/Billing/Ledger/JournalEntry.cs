using System.Diagnostics;
using System.Globalization;

namespace Billing.Ledger;

/// <summary>A stored event and its place in the log.</summary>
/// <param name="Version">in its stream, from 1</param>
/// <param name="Sequence">in the log</param>
public sealed record RecordedEvent<TEvent>(string StreamId, long Version, long Sequence, TEvent Event);

/// <param name="AmountMicros">a debit above zero, a credit below</param>
/// <param name="Text">what distinguishes the line, such as the tax; empty where the account says it all</param>
public sealed record JournalLine(LedgerAccount Account, Micros AmountMicros, string Text = "")
{
    public Micros DebitMicros => AmountMicros > Micros.Zero ? AmountMicros : Micros.Zero;
    public Micros CreditMicros => AmountMicros < Micros.Zero ? -AmountMicros : Micros.Zero;
}

/// <summary>A balanced double entry. It follows from stored events and is never stored: the id is derived, so that it is the same whenever it is computed (for recognition: for the same span).</summary>
/// <param name="Kind">the type of the event that posts it, or <see cref="RevenueRecognized"/> or <see cref="CreditExpired"/>, which time posts, or <see cref="BadDebtRecovered"/>, of a payment dated before the write-off that it came after</param>
/// <param name="At">the date that it counts for</param>
/// <param name="PostedAt">business time from which it was known, for it may count for an earlier date</param>
/// <param name="Sequence">of the event that made it known</param>
/// <param name="InvoiceId">empty where it is about none</param>
public sealed record JournalEntry(
    string EntryId, string Kind, DateTimeOffset At, DateTimeOffset PostedAt, long Sequence, string CustomerId, string InvoiceId, string Text, Currency Currency, ValueList<JournalLine> Lines)
{
    public const string IdPrefix = "je", RevenueRecognized = "revenue_recognized", CreditExpired = "credit_expired", BadDebtRecovered = "bad_debt_recovered";

    /// <summary>Of the entry that an event posts: there is one at most.</summary>
    public static string IdOf(string streamId, long version, DateTimeOffset at) => Ids.Derive(IdPrefix, at, streamId, version.ToString(CultureInfo.InvariantCulture));

    /// <summary>Lines as they are written: debits first, and nothing that moves nothing.</summary>
    /// <exception cref="UnreachableException">Debits and credits differ: an event says two amounts for one thing.</exception>
    public static ValueList<JournalLine> Balanced(IEnumerable<JournalLine> lines)
    {
        var written = lines.Where(l => l.AmountMicros != Micros.Zero).OrderBy(l => l.AmountMicros < Micros.Zero).ToValueList();
        return Micros.Sum(written.Select(l => l.AmountMicros)) == Micros.Zero ? written : throw new UnreachableException($"an entry is not balanced: {written}");
    }
}

/// <summary>The order in which a journal is read: by date, and what was known first comes first.</summary>
public sealed class JournalOrder : IComparer<JournalEntry>
{
    public static JournalOrder Default { get; } = new();

    public int Compare(JournalEntry? x, JournalEntry? y) => (x!.At, x.Sequence).CompareTo((y!.At, y.Sequence)) is var order and not 0 ? order : string.CompareOrdinal(x.EntryId, y.EntryId);
}
