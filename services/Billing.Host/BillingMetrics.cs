using System.Collections.Frozen;
using System.Diagnostics.Metrics;

namespace Billing.Host;

/// <summary>
/// What the billing service tells its operators, under the meter "Billing.Billing". Counted as events are sealed: once each, at the one instance that seals,
/// whoever wrote them.
/// </summary>
public sealed class BillingMetrics
{
    private readonly Counter<long> _events;
    private readonly FrozenDictionary<string, Counter<long>> _facts;

    public BillingMetrics(IMeterFactory meters)
    {
        var meter = meters.Create("Billing.Billing");
        _events = meter.CreateCounter<long>("billing.events.sealed", "{event}", "Events sealed, by type.");
        _facts = new Dictionary<string, Counter<long>>
        {
            ["usage_applied"] = meter.CreateCounter<long>("billing.usage.applied", "{line}", "Lines of usage reports applied to periods."),
            ["late_usage_added"] = meter.CreateCounter<long>("billing.usage.late", "{line}", "Lines that came after their period had closed: adjustments of a later invoice."),
            ["period_closed"] = meter.CreateCounter<long>("billing.periods.closed", "{period}", "Billing periods closed."),
            ["invoice_finalized"] = meter.CreateCounter<long>("billing.invoices.finalized", "{invoice}", "Invoices that became final."),
            ["invoice_voided"] = meter.CreateCounter<long>("billing.invoices.voided", "{invoice}", "Invoices voided."),
            ["invoice_fell_overdue"] = meter.CreateCounter<long>("billing.invoices.overdue", "{invoice}", "Invoices that were not paid when they were due."),
            ["credit_note_issued"] = meter.CreateCounter<long>("billing.credit_notes.issued", "{credit note}", "Credit notes issued."),
            ["payment_recorded"] = meter.CreateCounter<long>("billing.payments.recorded", "{payment}", "Payments recorded."),
        }.ToFrozenDictionary();
    }

    /// <param name="types">of the events of one page</param>
    public void Sealed(IEnumerable<string> types)
    {
        foreach (var (type, count) in types.CountBy(t => t))
        {
            _events.Add(count, new KeyValuePair<string, object?>("type", type));
            if (_facts.TryGetValue(type, out var fact)) fact.Add(count);
        }
    }
}
