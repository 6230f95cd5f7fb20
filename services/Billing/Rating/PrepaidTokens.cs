using System.Globalization;
using Billing.Accounts;
using Billing.Periods;

namespace Billing.Rating;

/// <summary>
/// Step 6: tokens paid for in advance take overage of this period off the invoice, the dearest kind first, each token at what it
/// would have cost after discounts, none where that is nothing; of packages its part of those that were begun. A grant is used if it was usable at any moment of the period, whatever the order of usage.
/// </summary>
public static class PrepaidTokens
{
    /// <param name="lines">of the period, discounts included</param>
    public static IEnumerable<ExactLine> Lines(PeriodFacts facts, IReadOnlyList<ExactLine> lines, RatingTerms terms, ICollection<CreditDraw> draws)
    {
        var usage = lines.Where(l => l.Product == Products.Usage).ToArray();
        var charged = usage.Where(l => l.ExactMicros > 0).Sum(l => l.ExactMicros);
        // Discounts take the same share of every token.
        var share = charged > 0 ? usage.Sum(l => l.ExactMicros) / charged : 0;
        var open = lines.Select((l, i) => (Line: l, Index: i)).Where(x => x.Line.Kind == LineKinds.Overage && (Costs(x.Line) || terms.RatingVersion < RatingVersions.Corrected))
            .OrderByDescending(x => x.Line.UnitPrice?.PerMillionTokens ?? x.Line.ExactMicros / x.Line.Tokens).ThenBy(x => x.Index).Select(x => x.Line).ToArray();
        var left = open.Select(l => l.Tokens).ToArray();
        foreach (var grant in terms.Account.CreditFor(facts.Start, facts.End).Where(g => !g.IsMoney))
        {
            var tokens = grant.Left;
            for (var i = 0; i < open.Length; i++)
            {
                var covered = grant.Kinds.Contains(open[i].TokenKind!.Value) ? Math.Min(tokens, left[i]) : 0;
                if (covered == 0) continue;
                (tokens, left[i]) = (tokens - covered, left[i] - covered);
                var worth = (open[i].UnitPrice?.MicrosFor(covered) ?? Proportion.Of(open[i].ExactMicros, covered, open[i].Tokens)) * share;
                draws.Add(new(grant.GrantId, covered, new((long)decimal.Round(worth))));
                yield return new(
                    LineKinds.PrepaidTokens, string.Create(CultureInfo.InvariantCulture, $"{grant.Name}: {covered:#,0} {Overage.Words(open[i].TokenKind!.Value)} tokens paid in advance"),
                    open[i].PlanId, null, 0, null, -worth, "") { Product = Products.Usage, TermId = grant.GrantId };
            }
        }

        bool Costs(ExactLine line) => Rounding.Cleared(line.ExactMicros * share) > 0;
    }
}
