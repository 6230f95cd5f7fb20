using System.Text.Json;
using Billing.Accounts;
using Billing.Audit;
using Billing.Customers;
using Billing.Invoices;
using Billing.Menus;
using Billing.Periods;
using Billing.Sellers;
using Billing.Subscriptions;
using Contracts.Billing.V1;
using Google.Protobuf.WellKnownTypes;
using Grpc.Core;
using Marten;
using HistoryPoint = Billing.Audit.HistoryPoint;

namespace Billing.Host;

/// <summary>History asked for what it was: folded again up to a point, by the folds that decisions and invoices use.</summary>
public sealed partial class AuditService
{
    private const string SellerWord = "seller";

    public override async Task<KnownState> AsOf(AsOfRequest request, ServerCallContext context)
    {
        await using var snapshot = await AuditSnapshot.Open(database, context.CancellationToken);
        await using var session = snapshot.Session(store);
        var (at, known) = (Wire.Point(request.At), await Known(session, request.Id, Wire.Point(request.At), context.CancellationToken));
        if (known.Json is null) throw new Refusal("not_known_then", $"nothing was known of {request.Id} at {at}: ask for a later time or event").AsException();
        var answer = new KnownState { Id = request.Id, Json = known.Json };
        answer.Versions.AddRange(known.Versions.Select(v => new StreamVersion { Stream = v.Key, Version = v.Value }));
        return answer;
    }

    public override async Task Diff(DiffRequest request, IServerStreamWriter<DiffPart> responseStream, ServerCallContext context)
    {
        var ct = context.CancellationToken;
        await using var snapshot = await AuditSnapshot.Open(database, ct);
        await using var session = snapshot.Session(store);
        var (from, to) = (await Known(session, request.Id, Wire.Point(request.From), ct), await Known(session, request.Id, Wire.Point(request.To), ct));
        if (to.Json is null) throw new Refusal("not_known_then", $"nothing was known of {request.Id} at {Wire.Point(request.To)}: ask for a later time or event").AsException();
        if (from.Versions.Any(v => !to.Cut.Contains(v.Key) && v.Value > to.Versions.GetValueOrDefault(v.Key))) throw new FormatException($"{Wire.Point(request.From)} is after {Wire.Point(request.To)}: from comes first");
        foreach (var c in JsonChanges.Between(from.Json ?? "{}", to.Json))
            await responseStream.WriteAsync(new DiffPart { Change = new() { Path = c.Path, Before = c.Before, After = c.After } }, ct);

        string[] streams = [.. to.Versions.Keys];
        long[] after = [.. streams.Select(s => from.Versions.GetValueOrDefault(s))], through = [.. to.Versions.Values];
        await foreach (var e in EventRows.ReadAsync(
            session, $"""
            select {EventRows.Columns} from billing.mt_events join unnest($1, $2, $3) as asked(stream, after, through) on stream_id = asked.stream and version > after and version <= through
            order by seq_id
            """, ct, streams, after, through))
            await responseStream.WriteAsync(
                new DiffPart
                {
                    Event = new() { Sequence = e.Sequence, Stream = e.Stream, Version = e.Version, Type = e.Type, At = BusinessTimes.Of(e.Data).ToTimestamp(), Data = Json(e.Body<object>()) },
                }, ct);
    }

    /// <param name="Json">null where nothing was known yet</param>
    /// <param name="Versions">of the streams that it is folded from</param>
    private sealed record KnownThen(string? Json, SortedDictionary<string, long> Versions)
    {
        /// <summary>Those of them that a final invoice takes as they were when it was cut: they say nothing of how late it is.</summary>
        public IReadOnlyCollection<string> Cut { get; init; } = [];
    }

    private static async Task<KnownThen> Known(IQuerySession session, string id, HistoryPoint at, CancellationToken ct)
    {
        var prefix = id == SellerWord ? id : id.Split('_')[0];
        if (prefix != SellerWord) Ids.Parse(prefix, id);
        switch (prefix)
        {
            case Ids.Period: return await KnownInvoice(session, id, at, ct);
            case Ids.Invoice:
                var periodId = (await session.LoadAsync<StoredInvoice>(id, ct))?.PeriodId ?? await PeriodsWithDrafts.IdOf(session, id, ct)
                    ?? throw new Refusal("invoice_unknown", $"there is no period that has the invoice {id}, or will have it").AsException();
                return await KnownInvoice(session, periodId, at, ct);
        }
        string[] ids = prefix switch
        {
            SellerWord => [SellerState.StreamId],
            Ids.Customer => [id, AccountIds.Of(id)],
            Ids.Subscription or Ids.Menu => [id],
            _ => throw new FormatException($"'{id}' is not the id of a subscription, customer, period, invoice or menu, nor the word seller"),
        };
        var streams = await StoredStreams.ReadAsync(session, ids, ct, at);
        var versions = new SortedDictionary<string, long>(ids.ToDictionary(i => i, streams.Version), StringComparer.Ordinal);
        if (streams.Version(ids[0]) == 0) return new(null, versions);
        return new(prefix switch
        {
            SellerWord => Json(streams.Seller(ids[0])),
            Ids.Customer => Json(new { customer = (object)streams.Customer(id), account = streams.Account(ids[1]) }),
            Ids.Subscription => Json(streams.Subscription(id)),
            _ => Json(streams.Menu(id)),
        }, versions);
    }

    /// <summary>The invoice of a period: as it was issued where it was final then, else the draft that it would have shown.</summary>
    private static async Task<KnownThen> KnownInvoice(IQuerySession session, string periodId, HistoryPoint at, CancellationToken ct)
    {
        var invoiceId = InvoiceIds.Of(periodId);
        var streams = await StoredStreams.ReadAsync(session, [periodId, invoiceId], ct, at);
        var versions = new SortedDictionary<string, long>(StringComparer.Ordinal) { [periodId] = streams.Version(periodId), [invoiceId] = streams.Version(invoiceId) };
        var facts = streams.Period(periodId) switch { PeriodState.Open o => o.Facts, PeriodState.Closed c => c.Facts, _ => null };
        if (facts is null) return new(null, versions);
        string[] parties = [AccountIds.Of(facts.CustomerId), SellerState.StreamId, facts.CustomerId];
        var terms = await StoredTerms.ReadAsync(session, [facts], ct, at);
        var state = streams.Invoice(invoiceId);
        var final = state switch { InvoiceState.Finalized f => f, InvoiceState.Voided v => v.Was, _ => null };
        InvoiceDocument document;
        try
        {
            // What an invoice was made from changes nothing once it is final: of an account and a seller what it was cut by, and of one that was made by its plan alone neither.
            var made = final?.Terms is { } by ? terms.At(facts, by) : terms.Now(facts);
            if (final is not { Terms: null })
            {
                (versions[parties[0]], versions[parties[1]]) = (made.Account.Version, made.Seller.Version);
                if (made.Identity is { } identity) versions[facts.CustomerId] = identity.Version;
            }
            document = final is null
                ? InvoiceDocument.Draft(facts, made)
                : InvoiceDocument.Finalized(facts, made, final.Invoice.Number, final.Terms, final.Invoice.At);
        }
        catch (Exception e) when (e is not CorruptStreamException && CorruptStreamException.IsOfAFold(e))
        {
            throw CorruptStreamException.Unratable($"the invoice of {periodId} as of {at}", e);
        }
        return new(Json(new
        {
            status = final is null ? "draft" : state.Status, creditedMicros = final?.CreditedMicros.Value ?? 0, paidMicros = final?.PaidMicros.Value ?? 0,
            document = JsonSerializer.Deserialize<JsonElement>(document.ToUtf8()),
        }), versions) { Cut = final is null ? [] : parties };
    }

    private static string Json(object value) => JsonSerializer.Serialize(value, value.GetType(), JsonSerializerOptions.Web);
}
