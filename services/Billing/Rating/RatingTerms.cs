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
    /// <summary>Plain plans: nothing else was agreed, and no tax is charged.</summary>
    public static RatingTerms Of(IReadOnlyDictionary<string, MenuTerms> menus) => new(menus, new Dictionary<string, PeriodFacts>(), AccountState.Initial, SellerState.Initial);
}
