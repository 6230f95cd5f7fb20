using System.Globalization;
using System.Text.Json;
using Billing.Dunning;
using Billing.Invoices;
using Billing.Subscriptions;

namespace Billing.Webhooks;

/// <summary>What happened, as it is announced.</summary>
/// <param name="Id">evt_… of the stored event: the same in every attempt</param>
/// <param name="Stream">the id of the object</param>
/// <param name="Sequence">the number of the event in the log</param>
public sealed record AnnouncedEvent(string Id, string Stream, long Sequence, object Event, DateTimeOffset At);

/// <summary>
/// A CloudEvent 1.0 in its JSON form. Its data is the object as it stood with the event, and what else the event says: ids, amounts, times. Made from the stored events alone, so that every attempt
/// and every replay has the same bytes; nobody's personal data stands there.
/// </summary>
public static class WebhookBody
{
    public const string ContentType = "application/cloudevents+json";

    /// <param name="source">of this deployment</param>
    /// <param name="state">the object's, with the event: an InvoiceState, a SubscriptionState or a WebhookState</param>
    public static byte[] Of(AnnouncedEvent e, string source, object state) => CanonicalJson.Write(json =>
    {
        json.WriteString("specversion", "1.0");
        json.WriteString("id", e.Id);
        json.WriteString("source", source);
        json.WriteString("type", WebhookTypes.Announced[e.Event.GetType()]);
        json.WriteString("subject", e.Stream);
        json.WriteString("time", CanonicalJson.Time(e.At));
        // The extension of CloudEvents: compared as text, it says which of two events came first.
        json.WriteString("sequence", e.Sequence.ToString("D19", CultureInfo.InvariantCulture));
        json.WriteString("datacontenttype", "application/json");
        json.WriteStartObject("data");
        switch (state)
        {
            case InvoiceState.Finalized i: Write(json, e.Stream, i, i.Status); break;
            case InvoiceState.Voided v: Write(json, e.Stream, v.Was, v.Status); break;
            case SubscriptionState.Known s: Write(json, e.Stream, s); break;
        }
        WriteEvent(json, e);
        json.WriteEndObject();
    });

    private static void Write(Utf8JsonWriter json, string id, InvoiceState.Finalized i, string status)
    {
        json.WriteStartObject("invoice");
        json.WriteString("invoiceId", id);
        json.WriteString("number", i.Invoice.Number);
        json.WriteString("status", status);
        json.WriteString("customerId", i.Invoice.CustomerId);
        json.WriteString("subscriptionId", i.Invoice.SubscriptionId);
        json.WriteString("periodId", i.Invoice.PeriodId);
        json.WriteString("currency", i.Invoice.Currency.Code);
        json.WriteNumber("totalMicros", i.Invoice.TotalMicros.Value);
        json.WriteNumber("creditedMicros", i.CreditedMicros.Value);
        json.WriteNumber("paidMicros", i.PaidMicros.Value);
        json.WriteNumber("outstandingMicros", status == "void" ? 0 : i.OutstandingMicros.Value);
        WriteTime(json, "dueAt", i.Terms?.DueAt);
        if (i.Terms is { } terms) json.WriteString("lastDay", terms.LastDay.ToString("O", CultureInfo.InvariantCulture));
        json.WriteString("documentSha256", i.Invoice.DocumentSha256);
        json.WriteEndObject();
    }

    private static void Write(Utf8JsonWriter json, string id, SubscriptionState.Known s)
    {
        json.WriteStartObject("subscription");
        json.WriteString("subscriptionId", id);
        json.WriteString("customerId", s.CustomerId);
        json.WriteString("status", SubscriptionSnapshot.NameOf(s.Status));
        json.WriteString("menuId", s.MenuId);
        json.WriteString("planId", s.PlanId);
        WriteTime(json, "startedAt", s.StartedAt);
        WriteTime(json, "trialEnd", s.TrialEnd);
        WriteTime(json, "cancelledAt", s.CancelledAt);
        var period = SubscriptionSnapshot.Current(id, s);
        json.WriteStartObject("period");
        json.WriteString("id", period.PeriodId);
        json.WriteNumber("number", period.Number);
        WriteTime(json, "start", period.Start);
        WriteTime(json, "end", period.End);
        json.WriteEndObject();
        if (s.Scheduled is { } scheduled)
        {
            json.WriteStartObject("scheduled");
            WriteTime(json, "effectiveAt", scheduled.EffectiveAt);
            json.WriteBoolean("cancels", scheduled.Cancels);
            if (!scheduled.Cancels) json.WriteString("menuId", scheduled.MenuId);
            if (!scheduled.Cancels) json.WriteString("planId", scheduled.PlanId);
            json.WriteEndObject();
        }
        if (s.Pause is { } pause)
        {
            json.WriteStartObject("pause");
            WriteTime(json, "from", pause.From);
            WriteTime(json, "resumeAt", pause.ResumeAt);
            json.WriteEndObject();
        }
        json.WriteEndObject();
    }

    /// <summary>What the object does not say by itself.</summary>
    private static void WriteEvent(Utf8JsonWriter json, AnnouncedEvent e)
    {
        switch (e.Event)
        {
            case PaymentRecorded p: WriteMoved("payment", p.Provider, p.Reference, p.AmountMicros, "paidAt", p.PaidAt); break;
            case RefundRecorded r: WriteMoved("refund", r.Provider, r.Reference, r.AmountMicros, "refundedAt", r.RefundedAt); break;
            case InvoiceVoided v: json.WriteString("reason", v.Reason); break;
            case InvoiceWrittenOff w: json.WriteString("reason", w.Reason); break;
            case PaymentFailed f:
                json.WriteStartObject("payment");
                json.WriteString("provider", f.Provider);
                json.WriteString("reference", f.Reference);
                WriteTime(json, "failedAt", f.FailedAt);
                json.WriteString("reason", f.Reason);
                json.WriteEndObject();
                break;
            case DunningStepTaken d:
                json.WriteNumber("step", d.Step);
                WriteTime(json, "dueAt", d.DueAt);
                break;
            case DunningExhausted d:
                json.WriteString("finalAction", DunningWords.Name(d.FinalAction));
                if (d.FinalActionRefused is { } why) json.WriteString("finalActionRefused", why);
                break;
            case CreditNoteIssued c:
                json.WriteStartObject("creditNote");
                json.WriteString("creditNoteId", c.CreditNoteId);
                json.WriteString("number", c.Number);
                json.WriteString("reason", c.Reason);
                json.WriteNumber("totalMicros", c.TotalMicros.Value);
                json.WriteString("documentSha256", c.DocumentSha256);
                json.WriteEndObject();
                break;
            case SubscriptionActivated a: WriteTime(json, "effectiveAt", a.EffectiveAt); break;
            case SubscriptionPlanChanged c: WriteTime(json, "effectiveAt", c.EffectiveAt); break;
            case SubscriptionCancelled c: WriteTime(json, "effectiveAt", c.EffectiveAt); break;
            case SubscriptionPauseScheduled p: WritePause(p.EffectiveAt, p.ResumeAt); break;
            case SubscriptionPaused p: WritePause(p.EffectiveAt, p.ResumeAt); break;
            case SubscriptionResumed r: WriteTime(json, "effectiveAt", r.EffectiveAt); break;
            case WebhookEndpointDisabled d:
                json.WriteStartObject("endpoint");
                json.WriteString("endpointId", e.Stream);
                json.WriteString("cause", d.Cause.Name());
                json.WriteString("detail", d.Detail);
                json.WriteEndObject();
                break;
        }

        void WritePause(DateTimeOffset effectiveAt, DateTimeOffset? resumeAt)
        {
            WriteTime(json, "effectiveAt", effectiveAt);
            WriteTime(json, "resumeAt", resumeAt);
        }

        void WriteMoved(string name, string provider, string reference, Micros amount, string when, DateTimeOffset at)
        {
            json.WriteStartObject(name);
            json.WriteString("provider", provider);
            json.WriteString("reference", reference);
            json.WriteNumber("amountMicros", amount.Value);
            WriteTime(json, when, at);
            json.WriteEndObject();
        }
    }

    private static void WriteTime(Utf8JsonWriter json, string name, DateTimeOffset? at)
    {
        if (at is { } time) json.WriteString(name, CanonicalJson.Time(time));
    }
}
