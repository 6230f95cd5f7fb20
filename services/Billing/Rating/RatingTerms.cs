using Billing.Accounts;
using Billing.Menus;
using Billing.Periods;
using Billing.Sellers;

namespace Billing.Rating;

/// <summary>All that rating reads beside the period's own facts. Each part is a fold of events up to a version that the invoice names.</summary>
/// <param name="Menus">of the period, and of the closed periods it adjusts, by id</param>
/// <param name="Earlier">the closed periods that it adjusts, as they stood at their close, by id</param>
public sealed record RatingTerms(
    IReadOnlyDictionary<string, MenuTerms> Menus, IReadOnlyDictionary<string, PeriodFacts> Earlier, AccountState Account, SellerState Seller)
{
    /// <summary>Null for invoices that are older than it: those without an agreed treatment carry no tax, and say nothing of it.</summary>
    public TaxIdentity? Identity { get; init; }

    /// <summary>The rules to rate by (RatingVersions).</summary>
    public int RatingVersion { get; init; } = RatingVersions.Latest;

    /// <summary>The account as the invoices of closed periods were made by it, by the id of the period; as it stands for those that are not final.</summary>
    public IReadOnlyDictionary<string, AccountState> EarlierAccounts { get; init; } = new Dictionary<string, AccountState>();

    /// <summary>Ids of the closed periods whose invoices were void when this one is made: what was on them is demanded from nobody.</summary>
    public IReadOnlySet<string> VoidedPeriods { get; init; } = new HashSet<string>();

    public bool IsVoid(string periodId) => RatingVersion >= RatingVersions.VoidNotGivenBack && VoidedPeriods.Contains(periodId);

    /// <summary>What had been agreed when a closed period was invoiced. A minimum that was on a void invoice is paid by nobody, and late usage does not count towards it.</summary>
    public AccountState AccountOf(string periodId)
    {
        var then = RatingVersion >= RatingVersions.AsAgreedThen && EarlierAccounts.TryGetValue(periodId, out var invoiced) ? invoiced : Account;
        return IsVoid(periodId) ? then with { Commitments = [] } : then;
    }

    /// <summary>How a customer is taxed at a moment: as agreed, else by its identity, else as was agreed first for a later day. Null when nothing is known.</summary>
    /// <param name="on">what the customer's clocks show then: agreements and rates are dated by them</param>
    public AccountTax? TaxOn(DateTimeOffset on, DateTimeOffset moment) =>
        Account.TaxOn(on) ?? IdentityOn(on, moment) ?? (Account.Taxes.Count > 0 ? Account.Taxes[0] : null);

    public AccountTax? IdentityOn(DateTimeOffset on, DateTimeOffset moment) =>
        Identity?.At(RatingVersion >= RatingVersions.AsAgreedThen ? moment : on, this.RatesFor(on, moment));

    /// <summary>Plain plans: nothing else was agreed, and no tax is charged.</summary>
    public static RatingTerms Of(IReadOnlyDictionary<string, MenuTerms> menus) => new(menus, new Dictionary<string, PeriodFacts>(), AccountState.Initial, SellerState.Initial);
}
