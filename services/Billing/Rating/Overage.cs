using System.Globalization;
using Billing.Menus;
using Billing.Periods;

namespace Billing.Rating;

/// <summary>
/// Step 3: tokens beyond a billed cap, each kind at its own price, with a line for each tier of it that they reach, or in packages, of which one that is begun is paid whole. Included tokens and overrun are shown at no charge, so that
/// the tokens on an invoice add up to what was recorded.
/// </summary>
public static class Overage
{
    public static IEnumerable<ExactLine> Lines(ValueList<PlanTokens> usage, MenuTerms menu)
    {
        foreach (var ofPlan in usage.GroupBy(u => u.PlanId))
        {
            var plan = InvoiceRating.PlanOf(menu, ofPlan.Key);
            foreach (var split in IncludedTokens.Split(plan, ofPlan))
            {
                if (split.Included != 0)
                    yield return new(LineKinds.Included, $"{plan.Name}: {Words(split.Kind)} tokens included", plan.PlanId, split.Kind, split.Included, null, 0, "");
                if (split.Price.Package is { } package && split.Beyond != 0) yield return Packaged(plan, split, package, menu.Currency);
                foreach (var part in split.Price.Priced(split.Beyond))
                    yield return new(LineKinds.Overage, $"{plan.Name}: {Words(split.Kind)} tokens beyond the cap{Tier(split.Price, part)}, {part.Price} per million",
                        plan.PlanId, split.Kind, part.Tokens, part.Price, part.Price.MicrosFor(part.Tokens), "");
            }
            if (Overrun(ofPlan) is var overrun and not 0)
                yield return new(LineKinds.Overrun, $"{plan.Name}: tokens generated beyond a grant, not billed", plan.PlanId, TokenKind.Overrun, overrun, null, 0, "");
        }
    }

    private static ExactLine Packaged(PlanTerms plan, IncludedSplit split, TokenPackage package, Currency currency)
    {
        var begun = package.Begun(split.Beyond);
        return new(
            LineKinds.Overage, string.Create(CultureInfo.InvariantCulture,
                $"{plan.Name}: {Words(split.Kind)} tokens beyond the cap, {begun:#,0} {(begun == 1 ? "package" : "packages")} of {package.Tokens:#,0} at {package.PriceMicros.ToMajorUnits(currency)} {currency}"),
            plan.PlanId, split.Kind, split.Beyond, null, split.Price.MicrosFor(split.Beyond), "") { Packages = new(begun, package.Tokens, package.PriceMicros) };
    }

    private static string Tier(OveragePrice price, PricedTokens part) => price.Model == PriceModel.Graduated
        ? string.Create(CultureInfo.InvariantCulture, $", {part.First:#,0} to {part.First + part.Tokens - 1:#,0}")
        : "";

    internal static long Overrun(IEnumerable<PlanTokens> usage) => usage.Where(u => u.Kind == TokenKind.Overrun).Sum(u => u.Tokens);

    internal static string Words(TokenKind kind) => kind.Name().Replace('_', ' ');
}
