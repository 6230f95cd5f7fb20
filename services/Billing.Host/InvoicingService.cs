using Billing.Documents;
using Billing.Dunning;
using Billing.Invoices;
using Billing.Periods;
using Contracts.Billing.V1;
using Google.Protobuf;
using Google.Protobuf.WellKnownTypes;
using Grpc.Core;
using JasperFx;
using Marten;
using V1 = Contracts.Billing.V1;

namespace Billing.Host;

/// <summary>billing.v1.Invoicing.</summary>
public sealed class InvoicingService(
    EventStreams streams, IdempotentCalls calls, IDocumentStore store, InvoiceFinalizing finalizing, CreditNotes creditNotes, InvoiceVoiding voiding, PrintedDocuments documents,
    BusinessClock clock) : V1.Invoicing.InvoicingBase
{
    public override Task<InvoiceStanding> FinalizeInvoice(FinalizeInvoiceRequest request, ServerCallContext context) => calls.Once<InvoiceStanding>(context, request, async remember =>
    {
        var ct = context.CancellationToken;
        Ids.Parse(Ids.Period, request.PeriodId);
        var id = InvoiceIds.Of(request.PeriodId);
        await finalizing.RunOne(request.PeriodId, clock.Now, CallerAttribution.Of(context), (session, state) => remember(session, Standing(id, state)), ct);
        return await Find(id, ct) ?? throw await NotFinalized(request.PeriodId, ct);
    });

    public override Task<InvoiceStanding> VoidInvoice(VoidInvoiceRequest request, ServerCallContext context) => calls.Once<InvoiceStanding>(context, request, async remember =>
    {
        Ids.Parse(Ids.Invoice, request.InvoiceId);
        await voiding.Void(request.InvoiceId, request.Reason, CallerAttribution.Of(context, request.Reason), (session, state) => remember(session, Standing(request.InvoiceId, state)), context.CancellationToken);
        return await Get(request.InvoiceId, context.CancellationToken);
    });

    public override Task<CreditNote> IssueCreditNote(IssueCreditNoteRequest request, ServerCallContext context) => calls.Once<CreditNote>(context, request, async remember =>
    {
        Ids.Parse(Ids.Invoice, request.InvoiceId);
        if (request.CreditNoteId.Length > 0) Ids.Parse(InvoiceIds.CreditNote, request.CreditNoteId);
        if (request.AmountMicros < 0) throw new FormatException("amount_micros is below zero; 0 credits all that is left");
        var id = request.CreditNoteId.Length > 0 ? request.CreditNoteId : Ids.New(InvoiceIds.CreditNote, clock.Now);
        await creditNotes.Issue(
            request.InvoiceId, id, request.AmountMicros == 0 ? null : new Micros(request.AmountMicros), request.Reason,
            CallerAttribution.Of(context, request.Reason), (session, note) => remember(session, Answer(note)), context.CancellationToken);
        return await GetCreditNote(new() { CreditNoteId = id }, context);
    });

    public override async Task<CreditNote> GetCreditNote(GetCreditNoteRequest request, ServerCallContext context)
    {
        Ids.Parse(InvoiceIds.CreditNote, request.CreditNoteId);
        await using var session = store.QuerySession();
        return Answer(await session.LoadAsync<StoredCreditNote>(request.CreditNoteId, context.CancellationToken) ?? throw documents.NoCreditNote(request.CreditNoteId));
    }

    public override Task<InvoiceStanding> RecordPayment(RecordPaymentRequest request, ServerCallContext context)
    {
        var command = new RecordPayment(request.Provider, request.Reference, new(request.AmountMicros), request.Currency, request.PaidAt is null ? clock.Now : request.PaidAt.ToTime("paid_at"), clock.Now);
        return Record(request.InvoiceId, request, ProviderReference.Payment(request.Provider, request.Reference, request.InvoiceId), s => RecordPaymentDecision.Decide(command, s), context);
    }

    public override Task<InvoiceStanding> RecordRefund(RecordRefundRequest request, ServerCallContext context)
    {
        var command = new RecordRefund(request.Provider, request.Reference, new(request.AmountMicros), request.Currency, request.RefundedAt is null ? clock.Now : request.RefundedAt.ToTime("refunded_at"), clock.Now);
        return Record(request.InvoiceId, request, ProviderReference.Refund(request.Provider, request.Reference, request.InvoiceId), s => RecordRefundDecision.Decide(command, s), context);
    }

    public override Task<InvoiceStanding> RecordPaymentFailure(RecordPaymentFailureRequest request, ServerCallContext context)
    {
        var command = new RecordPaymentFailure(request.Provider, request.Reference, request.Reason, request.FailedAt is null ? clock.Now : request.FailedAt.ToTime("failed_at"), clock.Now);
        return Record(request.InvoiceId, request, ProviderReference.Failure(request.Provider, request.Reference, request.InvoiceId), s => RecordPaymentFailureDecision.Decide(command, s), context);
    }

    public override Task<InvoiceStanding> HoldDunning(HoldDunningRequest request, ServerCallContext context) =>
        Order(request.InvoiceId, request, request.Reason, s => HoldDunningDecision.Decide(new(request.Reason, clock.Now), s), context);

    public override Task<InvoiceStanding> ReleaseDunning(ReleaseDunningRequest request, ServerCallContext context) =>
        Order(request.InvoiceId, request, null, s => ReleaseDunningDecision.Decide(new(clock.Now), s), context);

    public override Task<InvoiceStanding> WriteOffInvoice(WriteOffInvoiceRequest request, ServerCallContext context) =>
        Order(request.InvoiceId, request, request.Reason, s => WriteOffInvoiceDecision.Decide(new(request.Reason, clock.Now), s), context);

    public override Task<InvoiceStanding> GetInvoiceStanding(GetInvoiceStandingRequest request, ServerCallContext context)
    {
        Ids.Parse(Ids.Invoice, request.InvoiceId);
        return Get(request.InvoiceId, context.CancellationToken);
    }

    public override async Task<ListInvoiceStandingsResponse> ListInvoiceStandings(ListInvoiceStandingsRequest request, ServerCallContext context)
    {
        var size = Pages.Size(request.PageSize);
        var (customer, status, after) = (request.CustomerId, request.Status, request.PageToken);
        if (after.Length > 0) Ids.Parse(Ids.Invoice, after);
        if (customer.Length > 0) Ids.Parse(Ids.Customer, customer);
        if (status is not ("" or "finalized" or "overdue" or "paid" or "uncollectible" or "void")) throw new FormatException($"'{status}' is not one of finalized, overdue, paid, uncollectible, void");
        if (request.DunningState is { Length: > 0 } dunning && !DunningStatuses.All.Contains(dunning)) throw new FormatException($"'{dunning}' is not one of {string.Join(", ", DunningStatuses.All)}");
        await using var session = store.QuerySession();
        var query = session.Query<InvoiceStandingView>().Where(i => i.Id.CompareTo(after) > 0 && i.State != null);
        if (customer.Length > 0) query = query.Where(i => i.CustomerId == customer);
        if (status.Length > 0) query = query.Where(i => i.Status == status);
        if (request.DunningState.Length > 0) query = query.Where(i => i.DunningState == request.DunningState);
        var found = await query.OrderBy(i => i.Id).Take(size + 1).ToListAsync(context.CancellationToken);
        var response = new ListInvoiceStandingsResponse { NextPageToken = found.Count > size ? found[size - 1].Id : "" };
        response.Invoices.AddRange(found.Take(size).Select(i => Standing(i.Id, i.State!, i.Status)));
        return response;
    }

    public override async Task<DocumentFile> GetInvoiceDocument(GetInvoiceDocumentRequest request, ServerCallContext context)
    {
        if (request.InvoiceId.Length > 0 == request.CreditNoteId.Length > 0) throw new FormatException("give either invoice_id or credit_note_id");
        if (request.InvoiceId.Length > 0) Ids.Parse(Ids.Invoice, request.InvoiceId);
        else Ids.Parse(InvoiceIds.CreditNote, request.CreditNoteId);
        var language = DocumentLanguage.Find(request.Language)
            ?? throw new Refusal("language_unknown", $"there are no texts in '{request.Language}': documents are in {string.Join(", ", DocumentLanguage.All.Select(l => l.Code))}").AsException();
        var file = request.InvoiceId.Length > 0
            ? await documents.Invoice(request.InvoiceId, language, context.CancellationToken)
            : await documents.CreditNote(request.CreditNoteId, language, context.CancellationToken);
        var (content, type, ending) = request.Form switch
        {
            DocumentForm.Pdf => (documents.Pdf(file.Printed), "application/pdf", "pdf"),
            DocumentForm.Html => (System.Text.Encoding.UTF8.GetBytes(HtmlDocument.Render(file.Printed)), "text/html; charset=utf-8", "html"),
            DocumentForm.Ubl => (PrintedDocuments.Ubl(file), "application/xml", "xml"),
            _ => (System.Text.Encoding.UTF8.GetBytes(file.Json), "application/json", "json"),
        };
        return new()
        {
            Content = ByteString.CopyFrom(content), ContentType = type, FileName = $"{(file.Printed.Number.Length > 0 ? file.Printed.Number : "draft")}.{ending}",
            DocumentSha256 = ByteString.CopyFrom(Convert.FromHexString(file.Sha256)),
        };
    }

    private Task<InvoiceStanding> Order(string invoiceId, IMessage request, string? reason, Func<InvoiceState, Decision<InvoiceEvent>> decide, ServerCallContext context) =>
        calls.Once<InvoiceStanding>(context, request, async remember =>
        {
            Ids.Parse(Ids.Invoice, invoiceId);
            var (ct, by) = (context.CancellationToken, reason is null ? CallerAttribution.Of(context) : CallerAttribution.Of(context, reason));
            (await streams.Transact<InvoiceState, InvoiceEvent>(
                invoiceId, InvoiceState.Initial, InvoiceState.Evolve, s => decide(s).By(by), ct, (session, state) => remember(session, Standing(invoiceId, state)))).OrThrow();
            return await Get(invoiceId, ct);
        });

    private Task<InvoiceStanding> Record(string invoiceId, IMessage request, ProviderReference reference, Func<InvoiceState, Decision<InvoiceEvent>> decide, ServerCallContext context) =>
        calls.Once<InvoiceStanding>(context, request, async remember =>
        {
            Ids.Parse(Ids.Invoice, invoiceId);
            var (ct, by) = (context.CancellationToken, CallerAttribution.Of(context));
            for (var attempt = 1; ; attempt++)
            {
                try
                {
                    (await streams.Transact<InvoiceState, InvoiceEvent>(invoiceId, InvoiceState.Initial, InvoiceState.Evolve, s => decide(s).By(by), ct, (session, state) =>
                    {
                        session.Insert(reference);
                        remember(session, Standing(invoiceId, state));
                    })).OrThrow();
                    break;
                }
                catch (DocumentAlreadyExistsException)
                {
                    await using var session = store.QuerySession();
                    var taken = await session.LoadAsync<ProviderReference>(reference.Id, ct);
                    if (taken is not null && taken.InvoiceId != invoiceId)
                        throw new Refusal("payment_reference_reused", $"{reference.Id} is recorded on {taken.InvoiceId}: one payment is for one invoice").AsException();
                    // Twice at once: the other one committed first, and deciding again finds it there. Else it was the key of the call that collided.
                    if (taken is null || attempt > 1) throw;
                }
            }
            return await Get(invoiceId, ct);
        });

    private async Task<InvoiceStanding> Get(string invoiceId, CancellationToken ct) => await Find(invoiceId, ct)
        ?? throw new Refusal("invoice_unknown", $"there is no final invoice {invoiceId}; list them with ListInvoiceStandings").AsException();

    private async Task<InvoiceStanding?> Find(string invoiceId, CancellationToken ct) =>
        await streams.Load<InvoiceState, InvoiceEvent>(invoiceId, InvoiceState.Initial, InvoiceState.Evolve, ct) is var state and not InvoiceState.None ? Standing(invoiceId, state) : null;

    private async Task<Exception> NotFinalized(string periodId, CancellationToken ct)
    {
        await using var session = store.QuerySession();
        return ((await StoredStreams.ReadAsync(session, [periodId], ct)).Period(periodId) switch
        {
            PeriodState.None => new Refusal("period_unknown", $"billing never opened {periodId}"),
            PeriodState.Closed { Facts.IsEmpty: true } => new Refusal("period_empty", $"{periodId} began after its subscription had ended, or was paused throughout, and nothing was recorded for it: it has no invoice"),
            _ => new Refusal("period_not_closed", "an invoice is finalized when its period is closed: after its end and grace, when billing has all usage"),
        }).AsException();
    }

    private static InvoiceStanding Standing(string id, InvoiceState state) => state switch
    {
        InvoiceState.Finalized f => Standing(id, f, f.Status),
        InvoiceState.Voided v => Standing(id, v.Was, v.Status),
        _ => throw new System.Diagnostics.UnreachableException($"{id} is {state.GetType().Name}"),
    };

    private static InvoiceStanding Standing(string id, InvoiceState.Finalized f, string status)
    {
        var standing = new InvoiceStanding
        {
            InvoiceId = id, Number = f.Invoice.Number, Status = status, CustomerId = f.Invoice.CustomerId, SubscriptionId = f.Invoice.SubscriptionId, Currency = f.Invoice.Currency.Code,
            TotalMicros = f.Invoice.TotalMicros.Value, CreditedMicros = f.CreditedMicros.Value, PaidMicros = f.PaidMicros.Value,
            OutstandingMicros = status == "void" ? 0 : f.OutstandingMicros.Value, FinalizedAt = f.Invoice.At.ToTimestamp(), DueAt = f.Terms?.DueAt.ToTimestamp(), LastDay = f.Terms?.LastDay.ToString("yyyy-MM-dd", System.Globalization.CultureInfo.InvariantCulture) ?? "",
            WrittenOffMicros = f.WrittenOffMicros.Value, Dunning = DunningOf(f, status == "void" ? f.SettledDunning : f.DunningStatus),
        };
        standing.CreditNoteIds.AddRange(f.CreditNotes.Select(c => c.CreditNoteId));
        return standing;
    }

    private static InvoiceDunning DunningOf(InvoiceState.Finalized f, DunningStatus state)
    {
        var dunning = new InvoiceDunning
        {
            State = state.Name(), StepsTaken = f.Dunning?.StepsTaken ?? 0, Steps = f.Dunning?.Schedule.StepDays.Count ?? 0, HeldSince = f.Hold?.At.ToTimestamp(), HoldReason = f.Hold?.Reason ?? "",
            FinalActionRefused = f.Dunning?.FinalActionRefused ?? "",
        };
        if (f.Dunning is { NextAt: { } next } progress)
            (dunning.NextAt, dunning.Next) = (next.ToTimestamp(), progress.HasTakenAllSteps ? progress.Schedule.FinalAction.Name() : "step");
        dunning.Failures.AddRange(f.Failures.Select(p => new FailedPayment { Provider = p.Provider, Reference = p.Reference, Reason = p.Reason, FailedAt = p.FailedAt.ToTimestamp() }));
        return dunning;
    }

    private static CreditNote Answer(StoredCreditNote note)
    {
        using var json = System.Text.Json.JsonDocument.Parse(note.Document);
        var root = json.RootElement;
        return new()
        {
            CreditNoteId = note.Id, Number = note.Number, InvoiceId = note.InvoiceId, Currency = root.GetProperty("currency").GetString(), Reason = root.GetProperty("reason").GetString(),
            NetMicros = root.GetProperty("netMicros").GetInt64(), TaxMicros = root.GetProperty("taxMicros").GetInt64(), TotalMicros = root.GetProperty("totalMicros").GetInt64(),
            IssuedAt = note.IssuedAt.ToTimestamp(), DocumentSha256 = ByteString.CopyFrom(Convert.FromHexString(note.DocumentSha256)), Document = note.Document,
        };
    }
}
