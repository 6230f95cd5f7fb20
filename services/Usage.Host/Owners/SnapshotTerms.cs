using Contracts.Billing.V1;
using Contracts.Messages;
using Usage.Caps;

namespace Usage.Host.Owners;

/// <summary>Billing's snapshot, from the bus or from an answer, as usage's own terms.</summary>
public static class SnapshotTerms
{
    /// <exception cref="FormatException">The snapshot is not one: an id, a window or a kind that does not exist, a period that ends before it starts.</exception>
    public static SubscriptionTerms Of(SubscriptionChanged changed) => Checked(new(
        Ids.Parse(Ids.Subscription, changed.SubscriptionId),
        changed.Version,
        MayGenerate(changed.Status),
        Ids.Parse(Ids.Plan, changed.PlanId),
        [.. changed.Caps.Select(c => Cap(c.Window, c.Tokens, c.Counts, c.Enforcement))],
        [.. changed.Models],
        Period(changed.CurrentPeriod.PeriodId, changed.CurrentPeriod.Number, changed.CurrentPeriod.Start, changed.CurrentPeriod.End),
        Period(changed.NextPeriod.PeriodId, changed.NextPeriod.Number, changed.NextPeriod.Start, changed.NextPeriod.End),
        Paused: changed.Status == "paused",
        Customer: Customer(changed.CustomerId)));

    /// <exception cref="FormatException">As above.</exception>
    public static SubscriptionTerms Of(Subscription answer) => Checked(new(
        Ids.Parse(Ids.Subscription, answer.SubscriptionId),
        answer.Version,
        MayGenerate(answer.Status),
        Ids.Parse(Ids.Plan, answer.PlanId),
        [.. answer.Caps.Select(c => Cap(c.Window, c.Tokens, c.Counts, c.Enforcement))],
        [.. answer.Models],
        Period(answer.CurrentPeriod),
        Period(answer.NextPeriod),
        Paused: answer.Status == "paused",
        Customer: Customer(answer.CustomerId)));

    /// <summary>Only needed to tell a customer what is his; who meters does without.</summary>
    private static Guid? Customer(string id) => Ids.TryParse(Ids.Customer, id, out var customer) ? customer : null;

    /// <summary>Whether it is paid for is billing's business. A status that this service does not know yet grants nothing.</summary>
    private static bool MayGenerate(string status) => status is "active" or "trialing";

    private static SubscriptionTerms Checked(SubscriptionTerms terms) =>
        terms.Current.End > terms.Current.Start && terms.Next.End > terms.Next.Start && terms.Next.Start >= terms.Current.End && terms.Caps.All(c => c.Tokens >= 0)
            ? terms
            : throw new FormatException($"the snapshot of {Ids.Format(Ids.Subscription, terms.Subscription)} has periods or caps that cannot be");

    private static Kernel.Cap Cap(string window, long tokens, IEnumerable<string> counts, string enforcement)
    {
        TokenKind[] kinds = [.. counts.Select(TokenNames.ParseKind)];
        return new Kernel.Cap(TokenNames.ParseWindow(window), tokens, kinds.Length == 0 ? Kernel.Cap.GeneratedTokens : kinds, TokenNames.ParseEnforcement(enforcement));
    }

    private static TermPeriod Period(BillingPeriod? period) => period is { Start: { } start, End: { } end }
        ? Period(period.PeriodId, period.Number, start.ToTime("start"), end.ToTime("end"))
        : throw new FormatException("the snapshot lacks its current or next period");

    private static TermPeriod Period(string id, int number, DateTimeOffset start, DateTimeOffset end) =>
        new(Ids.Parse(Ids.Period, id), number, start.ToUniversalTime(), end.ToUniversalTime());
}
