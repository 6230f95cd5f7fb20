using System.Diagnostics;
using System.Globalization;
using Billing.Accounts;

namespace Billing.Ledger;

/// <summary>
/// The entries of one customer's money credit. A grant is a liability until it is used, expires or is taken back; using it pays an invoice. What is left of it at its expiry, or when it is ended before that, is released then.
/// A period that had begun before may still use it: that takes the release back. Tokens that were paid for in advance are no money here: they lower the revenue of the invoice that uses them.
/// </summary>
/// <param name="events">of the customer's account, in order; those that are known</param>
public sealed class CreditPostings(IReadOnlyList<RecordedEvent<AccountEvent>> events, string customerId, Currency currency)
{
    private readonly Dictionary<string, MoneyCreditGranted> _grants = events.Select(e => e.Event).OfType<MoneyCreditGranted>().ToDictionary(g => g.GrantId);
    // The earliest of what was said about the end of a grant, and the event that said it.
    private readonly Dictionary<string, (DateTimeOffset At, RecordedEvent<AccountEvent> Said)> _ends = events.SelectMany(e => e.Event switch
    {
        MoneyCreditGranted { ExpiresAt: { } expiry } g => [(g.GrantId, At: expiry, Said: e)],
        AgreementEnded x => [(x.AgreementId, At: x.Until, Said: e)],
        _ => Array.Empty<(string GrantId, DateTimeOffset At, RecordedEvent<AccountEvent> Said)>(),
    }).GroupBy(x => x.GrantId).ToDictionary(g => g.Key, g => g.Select(x => (x.At, x.Said)).MinBy(x => x.At));

    private readonly Dictionary<string, CreditDrawn> _drawn = events.Select(e => e.Event).OfType<CreditDrawn>().ToDictionary(d => d.InvoiceId);

    /// <summary>Those that count for a span of time.</summary>
    public IEnumerable<JournalEntry> Entries(Period window) => events.SelectMany(Posted).Where(e => window.Contains(e.At) && e.Lines.Count > 0);

    private IEnumerable<JournalEntry> Posted(RecordedEvent<AccountEvent> e)
    {
        switch (e.Event)
        {
            case MoneyCreditGranted g:
                yield return Entry(e, "money_credit_granted", g.At, "", g.Name, [new(LedgerAccount.CreditGranted, g.AmountMicros), new(LedgerAccount.CustomerCredit, -g.AmountMicros)]);
                if (Ends(e, g)) yield return Expired(e, g, g.At);
                break;
            case AgreementEnded x when _grants.TryGetValue(x.AgreementId, out var ended):
                if (Ends(e, ended)) yield return Expired(e, ended, x.At);
                break;
            case CreditDrawn d:
                yield return Entry(e, "credit_drawn", d.At, d.InvoiceId, "", Used(d, d.At, 1));
                break;
            case CreditReturned r:
                yield return Entry(e, "credit_returned", r.At, r.InvoiceId, "", Used(_drawn[r.InvoiceId], r.At, -1));
                break;
            case CommitmentAgreed or DiscountGranted or AgreementEnded or TokenCreditGranted or TaxTreatmentSet:
                break;
            default:
                throw new UnreachableException($"{e.Event.GetType().Name} has no place in the ledger");
        }
    }

    private IEnumerable<JournalLine> Used(CreditDrawn drawn, DateTimeOffset at, int sign) => Money(drawn).SelectMany(d => new JournalLine[]
    {
        // After its expiry there is no liability that could pay.
        new(_ends.TryGetValue(d.GrantId, out var end) && end.At <= at ? LedgerAccount.CreditExpired : LedgerAccount.CustomerCredit, d.AmountMicros * sign, _grants[d.GrantId].Name),
        new(LedgerAccount.Receivables, d.AmountMicros * -sign, _grants[d.GrantId].Name),
    });

    private bool Ends(RecordedEvent<AccountEvent> e, MoneyCreditGranted grant) => _ends.TryGetValue(grant.GrantId, out var end) && ReferenceEquals(end.Said, e);

    private JournalEntry Expired(RecordedEvent<AccountEvent> e, MoneyCreditGranted grant, DateTimeOffset saidAt)
    {
        var expiry = _ends[grant.GrantId].At;
        var left = grant.AmountMicros - Micros.Sum(events.Select(other => other.Event switch
        {
            CreditDrawn d when d.At < expiry => Of(d),
            CreditReturned r when r.At < expiry => -Of(_drawn[r.InvoiceId]),
            _ => Micros.Zero,
        }));
        var id = Ids.Derive(JournalEntry.IdPrefix, expiry, e.StreamId, JournalEntry.CreditExpired, e.Version.ToString(CultureInfo.InvariantCulture));
        return Entry(e, JournalEntry.CreditExpired, expiry, "", grant.Name, [new(LedgerAccount.CustomerCredit, left), new(LedgerAccount.CreditExpired, -left)]) with { EntryId = id, PostedAt = saidAt };

        Micros Of(CreditDrawn drawn) => Micros.Sum(Money(drawn).Where(d => d.GrantId == grant.GrantId).Select(d => d.AmountMicros));
    }

    private IEnumerable<CreditDraw> Money(CreditDrawn drawn) => drawn.Draws.Where(d => _grants.ContainsKey(d.GrantId));

    private JournalEntry Entry(RecordedEvent<AccountEvent> e, string kind, DateTimeOffset at, string invoiceId, string text, IEnumerable<JournalLine> lines) => new(
        JournalEntry.IdOf(e.StreamId, e.Version, at), kind, at, at, e.Sequence, customerId, invoiceId, text, currency, JournalEntry.Balanced(lines));
}
