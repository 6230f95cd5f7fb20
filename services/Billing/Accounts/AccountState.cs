using System.Diagnostics;

namespace Billing.Accounts;

/// <summary>One customer's account. The id is derived, so that there is one whoever writes to it first.</summary>
public static class AccountIds
{
    public const string Prefix = "acct";

    public static string Of(string customerId) => Ids.Derive(Prefix, Ids.TimeOf(Ids.Parse(Ids.Customer, customerId)), customerId);
}

/// <summary>A grant and what is left of it: money in micros, or tokens of the kinds it covers.</summary>
/// <param name="Kinds">empty for money</param>
public sealed record CreditGrant(string GrantId, string Name, ValueList<TokenKind> Kinds, long Granted, long Left, int Priority, DateTimeOffset? ExpiresAt, DateTimeOffset At)
{
    public bool IsMoney => Kinds.Count == 0;
}

/// <param name="Note">as events held it once</param>
/// <param name="NoteSha256">of the note that stands with the customer's details; empty without one</param>
/// <param name="From">null is always</param>
public sealed record AccountTax(string Jurisdiction, TaxTreatment Treatment, string Note, string NoteSha256 = "", DateTimeOffset? From = null);

/// <param name="Version">events so far: an invoice names it, and is replayed with the account as it was</param>
/// <param name="Drawn">what final invoices that stand have used</param>
/// <param name="Ends">what was said later about the end of commitments, discounts and grants</param>
/// <param name="Taxes">how the customer is taxed, in order of what was said</param>
public sealed record AccountState(
    ValueList<CommitmentAgreed> Commitments, ValueList<DiscountGranted> Discounts, ValueList<CreditGrant> Credit, ValueList<CreditDrawn> Drawn,
    ValueList<AgreementEnded> Ends, ValueList<AccountTax> Taxes, long Version)
{
    /// <summary>The latest date of a treatment that was to hold from when it was said: no later word of that kind may begin before it, or it would never be heard.</summary>
    public DateTimeOffset? TaxedFromNow { get; private init; }

    public static AccountState Initial { get; } = new([], [], [], [], [], [], 0);

    /// <summary>When an agreement ends: by the last word about it, else as it was agreed.</summary>
    public DateTimeOffset? EndOf(string agreementId, DateTimeOffset? agreed) => Ends.LastOrDefault(e => e.AgreementId == agreementId)?.Until ?? agreed;

    /// <summary>When a grant expires: as it was granted, or before that where it was ended. It never comes to life again.</summary>
    public DateTimeOffset? ExpiryOf(CreditGrant grant) => Ends.Where(e => e.AgreementId == grant.GrantId).Select(e => (DateTimeOffset?)e.Until).Append(grant.ExpiresAt).Min();

    /// <summary>Whether what was left of a grant was taken back at once: no invoice that is not final uses it, whatever period it is for.</summary>
    public bool IsTakenBack(string grantId) => Ends.Any(e => e.AgreementId == grantId && e.Until <= e.At);

    /// <summary>Which subscription a commitment or a discount is about; empty where it is about all of them, or there is none of the id.</summary>
    public string SubscriptionOf(string agreementId) => Commitments.FirstOrDefault(c => c.CommitmentId == agreementId)?.SubscriptionId
        ?? Discounts.FirstOrDefault(d => d.DiscountId == agreementId)?.SubscriptionId ?? "";

    /// <summary>The treatment that was agreed for a day; of two for the same day the later word counts. Null before the first one.</summary>
    public AccountTax? TaxOn(DateTimeOffset on) => Taxes.OrderBy(t => t.From ?? DateTimeOffset.MinValue).LastOrDefault(t => t.From is not { } from || from <= on);

    /// <summary>Grants that may pay for a period, in the order in which they are used: those that could be used at any moment of it, so that the order of usage does not matter.</summary>
    public IEnumerable<CreditGrant> CreditFor(DateTimeOffset start, DateTimeOffset end) => Credit
        .Where(g => g.Left > 0 && g.At < end && !IsTakenBack(g.GrantId) && (ExpiryOf(g) is not { } expires || expires > start))
        .OrderBy(g => g.Priority).ThenBy(g => ExpiryOf(g) ?? DateTimeOffset.MaxValue).ThenBy(g => g.At).ThenBy(g => g.GrantId, StringComparer.Ordinal);

    public static AccountState Evolve(AccountState state, AccountEvent e) => (e switch
    {
        CommitmentAgreed c => state with { Commitments = [.. state.Commitments, c] },
        DiscountGranted d => state with { Discounts = [.. state.Discounts, d] },
        AgreementEnded x => state with { Ends = [.. state.Ends, x] },
        MoneyCreditGranted g => state with { Credit = [.. state.Credit, new(g.GrantId, g.Name, [], g.AmountMicros.Value, g.AmountMicros.Value, g.Priority, g.ExpiresAt, g.At)] },
        TokenCreditGranted g => state with { Credit = [.. state.Credit, new(g.GrantId, g.Name, g.Kinds, g.Tokens, g.Tokens, g.Priority, g.ExpiresAt, g.At)] },
        CreditDrawn d => state with { Credit = Moved(state.Credit, d, -1), Drawn = [.. state.Drawn, d] },
        CreditReturned r => state with
        {
            Credit = Moved(state.Credit, state.Drawn.Single(d => d.InvoiceId == r.InvoiceId), 1),
            Drawn = state.Drawn.Where(d => d.InvoiceId != r.InvoiceId).ToValueList(),
        },
        TaxTreatmentSet { From: null } t => state with { Taxes = [new(t.Jurisdiction, t.Treatment, t.Note)] },
        TaxTreatmentSet t => state with { Taxes = [.. state.Taxes, new(t.Jurisdiction, t.Treatment, t.Note, t.NoteSha256 ?? "", t.From)], TaxedFromNow = t.FromNow == true && (state.TaxedFromNow is not { } known || known < t.From) ? t.From : state.TaxedFromNow },
        _ => throw new UnreachableException($"{e.GetType().Name} has no place in an account"),
    }) with { Version = state.Version + 1 };

    private static ValueList<CreditGrant> Moved(ValueList<CreditGrant> credit, CreditDrawn drawn, int sign)
    {
        var moved = drawn.Draws.ToLookup(d => d.GrantId);
        return credit.Select(g => g with { Left = g.Left + sign * moved[g.GrantId].Sum(d => g.IsMoney ? d.AmountMicros.Value : d.Tokens) }).ToValueList();
    }
}
