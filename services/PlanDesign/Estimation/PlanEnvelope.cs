using PlanDesign.Screening;

namespace PlanDesign.Estimation;

/// <summary>
/// For which urgencies each plan of a menu is best: the upper envelope of V(r,T) − p. Customers more patient than the root of
/// V(r,T') − V(r,T) = p' − p take the longer cap T'; theory section 6.
/// </summary>
internal static class PlanEnvelope
{
    /// <summary>One interval (From, To] for each offer, in the order given; empty, From = To = 0, where it is best for nobody.</summary>
    public static (double From, double To)[] Of(LengthLaw law, double valuePerAnswer, IReadOnlyList<PlanOffer> offers)
    {
        var envelope = new List<(int Offer, double Cutoff)>();
        foreach (var k in Enumerable.Range(0, offers.Count).OrderBy(k => offers[k].CapTokens).ThenByDescending(k => offers[k].PricePerConversation))
        {
            double cutoff;
            while (true)
            {
                var below = envelope.Count == 0 ? new PlanOffer(0, 0) : offers[envelope[^1].Offer];
                cutoff = law.Cutoff(below.CapTokens, offers[k].CapTokens, (offers[k].PricePerConversation - below.PricePerConversation) / valuePerAnswer);
                if (envelope.Count == 0 || cutoff < envelope[^1].Cutoff) break;
                envelope.RemoveAt(envelope.Count - 1);
            }
            if (cutoff > 0) envelope.Add((k, cutoff));
        }
        var intervals = new (double, double)[offers.Count];
        for (var n = 0; n < envelope.Count; n++) intervals[envelope[n].Offer] = (n + 1 < envelope.Count ? envelope[n + 1].Cutoff : 0, envelope[n].Cutoff);
        return intervals;
    }
}
