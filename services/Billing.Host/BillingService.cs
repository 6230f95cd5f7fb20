using System.Data;
using Billing.Invoices;
using Billing.Menus;
using Grpc.Core;
using Marten;
using Npgsql;
using Contracts.Billing.V1;
using SessionOptions = Marten.Services.SessionOptions;

namespace Billing.Host;

/// <summary>billing.v1.Billing. Here menus, invoices and reports; customers and subscriptions have files of their own.</summary>
public sealed partial class BillingService(
    EventStreams streams, SubscriptionStreams subscriptions, CustomerErasing erasing, PersonalDetails personal, IdempotentCalls calls, IDocumentStore store, NpgsqlDataSource database,
    MenuBook menus, UsageReports reports, BusinessClock clock)
    : Contracts.Billing.V1.Billing.BillingBase
{
    public override async Task<Contracts.Billing.V1.MenuTerms> GetMenuTerms(GetMenuTermsRequest request, ServerCallContext context)
    {
        Ids.Parse(Ids.Menu, request.MenuId);
        return Wire.Menu(await menus.State(request.MenuId, context.CancellationToken) as MenuState.Received
            ?? throw new Refusal("menu_unknown", $"billing has not received {request.MenuId}: publish it, and try again in a moment").AsException());
    }

    public override async Task<Invoice> GetInvoice(GetInvoiceRequest request, ServerCallContext context)
    {
        var ct = context.CancellationToken;
        await using var session = store.QuerySession();
        if (request.PeriodId.Length > 0) Ids.Parse(Ids.Period, request.PeriodId);
        var invoiceId = request.PeriodId.Length > 0 ? InvoiceIds.Of(request.PeriodId) : request.InvoiceId;
        Ids.Parse(Ids.Invoice, invoiceId);
        if (request.InvoiceId.Length > 0 && request.InvoiceId != invoiceId) throw new FormatException($"{request.InvoiceId} is not the invoice of {request.PeriodId}: give one of them");
        if (await session.LoadAsync<StoredInvoice>(invoiceId, ct) is { } final) return Wire.Final(final);
        var draft = await DraftedPeriod.Find(session, invoiceId, request.PeriodId, clock.Now, ct);
        return Wire.Draft(draft.Facts, (await StoredTerms.ReadAsync(session, [draft.Facts], ct)).Now(draft.Facts), draft.Status);
    }

    public override async Task<ListInvoicesResponse> ListInvoices(ListInvoicesRequest request, ServerCallContext context)
    {
        var (ct, size, after) = (context.CancellationToken, Pages.Size(request.PageSize), PageToken(Ids.Invoice, request.PageToken));
        if (request.SubscriptionId.Length > 0) Ids.Parse(Ids.Subscription, request.SubscriptionId);
        // On one moment: an invoice that becomes final between two questions would be in neither answer.
        await using var connection = await database.OpenConnectionAsync(ct);
        await using var moment = await connection.BeginTransactionAsync(IsolationLevel.RepeatableRead, ct);
        await using var session = store.QuerySession(SessionOptions.ForTransaction(moment));
        var found = new List<Invoice>();
        if (request.Status != InvoiceStatus.Draft)
        {
            var query = session.Query<StoredInvoice>().Where(i => i.Id.CompareTo(after) > 0);
            if (request.SubscriptionId.Length > 0) query = query.Where(i => i.SubscriptionId == request.SubscriptionId);
            found.AddRange((await query.OrderBy(i => i.Id).Take(size + 1).ToListAsync(ct)).Select(Wire.Final));
        }
        if (request.Status != InvoiceStatus.Finalized) found.AddRange(await Drafts(session, request, size + 1, after, ct));
        found.Sort((a, b) => string.CompareOrdinal(a.InvoiceId, b.InvoiceId));
        var response = new ListInvoicesResponse { NextPageToken = found.Count > size ? found[size - 1].InvoiceId : "" };
        response.Invoices.AddRange(found.Take(size));
        return response;
    }

    public override async Task<GetAppliedReportsResponse> GetAppliedReports(GetAppliedReportsRequest request, ServerCallContext context)
    {
        var response = new GetAppliedReportsResponse();
        response.Shards.AddRange((await reports.Progress(context.CancellationToken)).Select(p => new AppliedShard { Shard = p.Shard, ThroughNumber = p.Through, HighestNumber = p.Highest, Stopped = p.Stopped ?? "" }));
        return response;
    }

    /// <summary>Periods that have started and have no final invoice. A period that was only opened ahead has nothing to show.</summary>
    private async Task<List<Invoice>> Drafts(IQuerySession session, ListInvoicesRequest request, int most, string after, CancellationToken ct)
    {
        var drafts = new List<Invoice>();
        for (var now = clock.Now; drafts.Count < most;)
        {
            var begun = await PeriodsWithDrafts.PageAsync(session, request.SubscriptionId, after, most, now, ct);
            var final = (await session.LoadManyAsync<StoredInvoice>(ct, [.. begun.Select(p => p.InvoiceId)])).Select(i => i.Id).ToHashSet();
            var periods = (await DraftedPeriod.ReadAsync(session, [.. begun.Where(p => !final.Contains(p.InvoiceId)).Select(p => p.Id)], now, ct)).Where(p => !p.Facts.IsEmpty).ToArray();
            var terms = await StoredTerms.ReadAsync(session, [.. periods.Select(p => p.Facts)], ct);
            drafts.AddRange(periods.Select(p => Wire.Draft(p.Facts, terms.Now(p.Facts), p.Status)));
            if (begun.Count < most) break;
            after = begun[^1].InvoiceId;
        }
        return drafts;
    }

    private string IdOrNew(string prefix, string given)
    {
        if (given.Length == 0) return Ids.New(prefix, clock.Now);
        Ids.Parse(prefix, given);
        return given;
    }

    private static string PageToken(string prefix, string token)
    {
        if (token.Length > 0) Ids.Parse(prefix, token);
        return token;
    }
}
