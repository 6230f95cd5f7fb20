using System.Numerics;
using Billing.Accounts;
using Billing.Menus;
using Billing.Periods;
using Billing.Rating;

namespace Billing.Tests.Rating;

/// <summary>
/// What an invoice without late usage comes to, computed once more from fee, usage and terms in exact fractions, by the order that Rating/README.md publishes. It knows no lines
/// and shares nothing with rating but what rating is given: a mistake in one is a difference.
/// </summary>
internal sealed class ExactInvoice(PeriodFacts facts, RatingTerms terms)
{
    private const int Subscription = 0, Usage = 1;

    private sealed record Priced(TokenKind Kind, long Tokens, Fraction Each);

    private readonly MenuTerms _menu = terms.Menus[facts.MenuId];
    private long _drawn;
    private long Unit => _menu.Currency.MinorUnit.Value;

    /// <returns>and how many prepaid tokens it uses</returns>
    public static (long TotalMicros, long TokensDrawn) Of(PeriodFacts facts, RatingTerms terms)
    {
        var exact = new ExactInvoice(facts, terms);
        return (exact.Total(), exact._drawn);
    }

    private long Total()
    {
        var overage = Overage().ToArray();
        Fraction[] sums = [Fee(), overage.Aggregate(Fraction.Zero, (sum, p) => sum + p.Each * p.Tokens)];
        sums[Subscription] += MissingToMinimum(sums[Subscription] + sums[Usage]);
        var list = sums[Usage];
        Discount(sums);
        if (sums[Usage] > 0) sums[Usage] -= Prepaid(overage, sums[Usage] / list);
        var units = Rounded(sums);
        PayWithCredit(units);
        return (long)((units[Subscription] + units[Usage] + Tax(units)) * Unit);
    }

    /// <summary>Spans of plans, each as its part of the whole period.</summary>
    private IEnumerable<(PlanSegment Segment, Fraction Part)> Parts()
    {
        var times = facts.Plans;
        var ends = times.Segments.Skip(1).Select(s => s.From).Append(times.End).Select(e => times.EndedAt is { } ended && ended < e ? ended : e);
        foreach (var (segment, end) in times.Segments.Zip(ends))
            if (end > segment.From && !segment.Paused)
                yield return (segment, (Fraction)(end - segment.From).Ticks / (times.End - times.FullStart).Ticks);
    }

    private Fraction Fee() => Parts().Where(p => !p.Segment.Trial).Aggregate(Fraction.Zero, (sum, p) => sum + p.Part * _menu.Plan(p.Segment.PlanId)!.PeriodFeeMicros.Value);

    private IEnumerable<Priced> Overage()
    {
        var held = facts.Plans.Segments.Select(s => s.PlanId).ToArray();
        foreach (var ofPlan in facts.Usage.Where(u => u.Kind != TokenKind.Overrun).GroupBy(u => held.Contains(u.PlanId) ? u.PlanId : held[0]))
        {
            var plan = _menu.Plan(ofPlan.Key)!;
            if (plan.Caps.SingleOrDefault(c => c.Enforcement == CapEnforcement.Billed) is not { } cap) continue;
            var covered = (long)Parts().Where(p => p.Segment.PlanId == plan.PlanId).Aggregate(Fraction.Zero, (sum, p) => sum + p.Part * cap.Tokens).Floor();
            var byKind = ofPlan.Where(u => cap.Counts.Contains(u.Kind)).GroupBy(u => u.Kind).Select(g => (Price: PriceOf(plan, g.Key), Tokens: g.Sum(u => u.Tokens)));
            foreach (var (price, tokens) in byKind.OrderByDescending(k => Dearest(k.Price)).ThenBy(k => k.Price.Kind))
            {
                var beyond = Math.Max(tokens - covered, 0);
                covered -= tokens - beyond;
                foreach (var priced in Beyond(price, beyond)) yield return priced;
            }
        }
    }

    private static OveragePrice PriceOf(PlanTerms plan, TokenKind kind) => plan.Overage.Single(o => o.Kind == kind);

    private static Fraction Dearest(OveragePrice price) => price switch
    {
        { Package: { } p } => (Fraction)p.PriceMicros.Value / p.Tokens,
        { Tiers: { } tiers } => tiers.Max(t => t.PerMillionTokens.PerMillionTokens),
        _ => price.PerMillionTokens.PerMillionTokens,
    };

    /// <summary>A price per million in major units is micros for a token.</summary>
    private static IEnumerable<Priced> Beyond(OveragePrice price, long tokens)
    {
        if (tokens == 0) yield break;
        if (price.Package is { } p)
            yield return new(price.Kind, tokens, (Fraction)p.PriceMicros.Value * ((tokens + p.Tokens - 1) / p.Tokens) / tokens);
        else if (price.Model == PriceModel.Graduated)
        {
            var from = 0L;
            foreach (var tier in price.Tiers!)
            {
                var to = Math.Min(tier.UpTo ?? tokens, tokens);
                if (to > from) yield return new(price.Kind, to - from, tier.PerMillionTokens.PerMillionTokens);
                from = Math.Max(from, to);
            }
        }
        else
            yield return new(price.Kind, tokens, (price.Tiers?.First(t => tokens <= (t.UpTo ?? tokens)).PerMillionTokens ?? price.PerMillionTokens).PerMillionTokens);
    }

    /// <summary>Of several minimums the highest counts, for what tops up to one counts towards the next.</summary>
    private Fraction MissingToMinimum(Fraction charged)
    {
        var paid = Parts().Where(p => !p.Segment.Trial).Aggregate(Fraction.Zero, (sum, p) => sum + p.Part);
        var minimum = terms.Account.Commitments.Select(c => paid * c.AmountMicros.Value).Append(charged).Max();
        return minimum - charged;
    }

    private void Discount(Fraction[] sums)
    {
        foreach (var discount in terms.Account.Discounts.OrderBy(d => d.Off is null))
        {
            int[] from = [.. new[] { Subscription, Usage }.Where(p => discount.Scope == DiscountScope.All || (int)discount.Scope - 1 == p)];
            var whole = from.Aggregate(Fraction.Zero, (sum, p) => sum + sums[p]);
            if (!(whole > 0)) continue;
            var share = discount.Off is { } percent ? (Fraction)percent.Value / 100 : Fraction.Lesser(discount.OffMicros!.Value.Value, whole) / whole;
            foreach (var p in from) sums[p] -= sums[p] * share;
        }
    }

    private Fraction Prepaid(Priced[] overage, Fraction share)
    {
        var worth = Fraction.Zero;
        var open = overage.OrderByDescending(p => p.Each).Select(p => (p.Kind, p.Tokens, p.Each)).ToArray();
        foreach (var grant in Grants().Where(g => g.Kinds.Count > 0))
            for (var (i, left) = (0, grant.Left); i < open.Length; i++)
            {
                var covered = grant.Kinds.Contains(open[i].Kind) && open[i].Each > 0 ? Math.Min(left, open[i].Tokens) : 0;
                (left, open[i].Tokens) = (left - covered, open[i].Tokens - covered);
                worth += open[i].Each * covered * share;
                _drawn += covered;
            }
        return worth;
    }

    private IEnumerable<CreditGrant> Grants() => terms.Account.Credit.Where(g => g.ExpiresAt is not { } end || end > facts.Start)
        .OrderBy(g => g.Priority).ThenBy(g => g.ExpiresAt ?? DateTimeOffset.MaxValue).ThenBy(g => g.GrantId, StringComparer.Ordinal);

    /// <summary>In minor units: the sum rounded once, what is left of it to the larger remainder, the subscription first.</summary>
    private BigInteger[] Rounded(Fraction[] sums)
    {
        Fraction[] exact = [sums[Subscription] / Unit, sums[Usage] / Unit];
        return Split((exact[Subscription] + exact[Usage]).Nearest(), exact);
    }

    private static BigInteger[] Split(BigInteger whole, Fraction[] exact)
    {
        BigInteger[] parts = [.. exact.Select(e => e.Floor())];
        var left = (int)(whole - parts[Subscription] - parts[Usage]);
        foreach (var p in new[] { Subscription, Usage }.OrderByDescending(p => exact[p] - new Fraction(parts[p], 1)).Take(left)) parts[p]++;
        return parts;
    }

    private void PayWithCredit(BigInteger[] units)
    {
        foreach (var grant in Grants().Where(g => g.Kinds.Count == 0))
        {
            var open = units[Subscription] + units[Usage];
            var used = BigInteger.Min(grant.Left / Unit, open);
            if (used.Sign <= 0) return;
            var parts = Split(used, [.. units.Select(u => new Fraction(used * u, open))]);
            foreach (var p in new[] { Subscription, Usage }) units[p] -= parts[p];
        }
    }

    private BigInteger Tax(BigInteger[] units)
    {
        if (terms.Account.Taxes.SingleOrDefault() is not { Treatment: TaxTreatment.Standard } taxed) return 0;
        var rates = new[] { Products.Subscription, Products.Usage }.Select(product => terms.Seller.Rates.Where(r => r.Jurisdiction == taxed.Jurisdiction && (r.Product == product || r.Product.Length == 0)).MaxBy(r => r.Product.Length)!.Rate.Value).ToArray();
        Fraction Of(BigInteger amount, decimal rate) => new Fraction(amount, 1) * rate / 100;
        return rates[Subscription] == rates[Usage] ? Of(units[Subscription] + units[Usage], rates[Usage]).Nearest() : Of(units[Subscription], rates[Subscription]).Nearest() + Of(units[Usage], rates[Usage]).Nearest();
    }
}
