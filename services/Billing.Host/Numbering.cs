using Billing.Invoices;
using Billing.Sellers;
using Marten;
using Microsoft.Extensions.Options;
using Npgsql;
using SessionOptions = Marten.Services.SessionOptions;

namespace Billing.Host;

/// <summary>Moves the count of a series on, in the transaction of the event that says so: documents that want a number meanwhile wait.</summary>
public sealed class Numbering(IDocumentStore store, NpgsqlDataSource database, IOptions<BillingOptions> options)
{
    /// <exception cref="RefusedException">What the decision refuses; series_unknown where this deployment numbers nothing by it.</exception>
    public Task<int> Continue(string series, long lastNumber, DateTimeOffset at, Attribution? by, Action<IDocumentSession, SellerState> alongside, CancellationToken ct) => Conflicts.Retry(async () =>
    {
        string[] known = [options.Value.InvoiceSeries, options.Value.CreditNoteSeries];
        if (!known.Contains(series)) throw new Refusal("series_unknown", $"'{series}' numbers nothing here: invoices have {known[0]}, credit notes {known[1]}").AsException();
        await using var connection = await database.OpenConnectionAsync(ct);
        await using var transaction = await connection.BeginTransactionAsync(ct);
        var count = await NumberSeries.Lock(connection, series, ct);
        await using var session = store.LightweightSession(SessionOptions.ForTransaction(transaction));
        var streams = await StoredStreams.ReadAsync(session, [SellerState.StreamId], ct);
        var seller = streams.Seller(SellerState.StreamId);
        var decision = ContinueNumberingDecision.Decide(new(series, lastNumber, count, at), seller).OrThrow().By(by);
        if (decision.Events.Count == 0) return 0;
        session.AppendExpecting(SellerState.StreamId, streams.Version(SellerState.StreamId), decision.Events);
        alongside(session, decision.Events.Aggregate(seller, SellerState.Evolve));
        await session.SaveChangesAsync(ct);
        await NumberSeries.Set(connection, series, lastNumber, ct);
        await transaction.CommitAsync(ct);
        return 1;
    });
}
