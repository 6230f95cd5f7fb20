using System.Text.Json;
using Billing.Accounts;
using Billing.Invoices;
using Billing.Periods;

namespace Billing.Tests.Ledger;

/// <summary>What an invoice comes to on a date, added up from its events and its document by the shortest way there is, and without a line of the ledger.</summary>
/// <param name="Events">in the order in which they became known</param>
/// <param name="Times">when which plan held; null where one did throughout</param>
internal sealed record NaiveInvoice(IReadOnlyList<InvoiceEvent> Events, string Document, PlanTimes? Times)
{
    private InvoiceFinalized Final => Events.OfType<InvoiceFinalized>().Single();
    private DateTimeOffset VoidedAt => Events.OfType<InvoiceVoided>().SingleOrDefault()?.At ?? DateTimeOffset.MaxValue;

    /// <summary>It is demanded: final, and not void.</summary>
    public bool Stands(DateTimeOffset date) => Final.At < date && date <= VoidedAt;

    public Micros Paid(DateTimeOffset date) => Micros.Sum(Events.Select(e => e switch
    {
        PaymentRecorded p when p.PaidAt < date => p.AmountMicros,
        RefundRecorded r when r.RefundedAt < date => -r.AmountMicros,
        _ => Micros.Zero,
    }));

    /// <summary>
    /// What is left to pay of it, and what was given up. How much a payment takes back of what was given up is known when it is heard of, and counts from then on when it was both paid and given up.
    /// </summary>
    public (Micros Outstanding, Micros WrittenOff) Demanded(DateTimeOffset date)
    {
        var (owed, writtenOff, writtenOffAt) = (Final.TotalMicros.Value, 0L, DateTimeOffset.MinValue);
        var (counted, lost) = (Stands(date) ? owed : 0, 0L);
        foreach (var e in Events)
        {
            var (off, at, mayRecover) = e switch
            {
                PaymentRecorded p => (p.AmountMicros.Value, p.PaidAt, true),
                CreditNoteIssued c => (c.TotalMicros.Value, c.At, true),
                RefundRecorded r => (-r.AmountMicros.Value, r.RefundedAt, false),
                _ => (0L, DateTimeOffset.MaxValue, false),
            };
            owed -= off;
            if (at < date) counted -= off;
            if (e is InvoiceWrittenOff w)
            {
                (writtenOff, writtenOffAt, owed) = (writtenOff + w.AmountMicros.Value, w.At, owed - w.AmountMicros.Value);
                if (w.At < date) lost += w.AmountMicros.Value;
            }
            var recovered = mayRecover ? Math.Min(writtenOff, Math.Max(-owed, 0)) : 0;
            (owed, writtenOff) = (owed + recovered, writtenOff - recovered);
            if ((at > writtenOffAt ? at : writtenOffAt) < date) lost -= recovered;
        }
        return (new(counted - lost), new(lost));
    }

    /// <summary>How many amounts of it are rounded by themselves.</summary>
    public int Parts => Lines("subscription").Fees.Count + 2;

    /// <summary>A fee is earned evenly while its plan held, everything else while any was served, and where none was in the whole period; what is off is off each in proportion. A void invoice earned nothing.</summary>
    public decimal Earned(DateTimeOffset before)
    {
        if (VoidedAt < before) return 0;
        using var json = JsonDocument.Parse(Document);
        var period = json.RootElement.GetProperty("period");
        var whole = (From: period.GetProperty("start").GetDateTimeOffset(), To: period.GetProperty("end").GetDateTimeOffset(), Paused: false);
        var ended = Times?.EndedAt ?? whole.To;
        var held = Times?.Segments.Select((s, i) => (s.From, To: i + 1 < Times.Segments.Count && Times.Segments[i + 1].From < ended ? Times.Segments[i + 1].From : ended, s.Paused)).Where(s => s.From < s.To).ToArray() ?? [whole];
        var served = held.Any(h => !h.Paused) ? held.Where(h => !h.Paused).ToArray() : [whole];
        var earned = 0m;
        foreach (var product in new[] { "subscription", "usage" })
        {
            var (fees, rest, off) = Lines(product);
            var charged = fees.Append(rest).Select(c => Math.Max(c, 0)).Sum();
            var spread = Math.Clamp(off, 0, charged);
            decimal Left(decimal amount) => charged == 0 ? amount : amount - spread * Math.Max(amount, 0) / charged;
            for (var i = 0; i < fees.Count; i++) earned += Left(fees[i]) * Served([held[i]]);
            earned += (Left(rest) - (off - spread)) * Served(served);
        }
        return earned;

        decimal Served((DateTimeOffset From, DateTimeOffset To, bool)[] spans) =>
            (decimal)spans.Sum(s => Math.Max(((before < s.To ? before : s.To) - s.From).Ticks, 0)) / spans.Sum(s => (s.To - s.From).Ticks);
    }

    private (IReadOnlyList<decimal> Fees, decimal Others, decimal Off) Lines(string product)
    {
        using var json = JsonDocument.Parse(Document);
        var lines = json.RootElement.GetProperty("lines").EnumerateArray().Where(l => l.GetProperty("kind").GetString() != "tax" && l.GetProperty("product").GetString() == product)
            .Select(l => (Kind: l.GetProperty("kind").GetString()!, Amount: l.GetProperty("amountMicros").GetDecimal())).ToArray();
        return (
            [.. lines.Where(l => l.Kind == "period_fee").Select(l => l.Amount)], lines.Where(l => l.Kind is not ("period_fee" or "discount" or "prepaid_tokens" or "credit")).Sum(l => l.Amount),
            -lines.Where(l => l.Kind is "discount" or "prepaid_tokens").Sum(l => l.Amount));
    }
}

/// <summary>Money credit on a date, grant by grant.</summary>
internal static class NaiveCredit
{
    public static (Micros Granted, Micros Drawn, Micros Expired, Micros Left) Of(IReadOnlyList<AccountEvent> events, DateTimeOffset date)
    {
        var (granted, drawn, expired, left) = (0L, 0L, 0L, 0L);
        var draws = events.OfType<CreditDrawn>().ToDictionary(d => d.InvoiceId);
        foreach (var grant in events.OfType<MoneyCreditGranted>().Where(g => g.At < date))
        {
            long Of(CreditDrawn d) => d.Draws.Where(x => x.GrantId == grant.GrantId).Sum(x => x.AmountMicros.Value);
            var used = events.OfType<CreditDrawn>().Where(d => d.At < date).Sum(Of) - events.OfType<CreditReturned>().Where(r => r.At < date).Sum(r => Of(draws[r.InvoiceId]));
            var unused = grant.AmountMicros.Value - used;
            (granted, drawn) = (granted + grant.AmountMicros.Value, drawn + used);
            var ended = events.OfType<AgreementEnded>().Where(e => e.AgreementId == grant.GrantId).Select(e => (DateTimeOffset?)e.Until).Append(grant.ExpiresAt).Min();
            if (ended < date) expired += unused;
            else left += unused;
        }
        return (new(granted), new(drawn), new(expired), new(left));
    }
}
