using System.Text;
using Billing.Invoices;
using Billing.Periods;
using Billing.Rating;
using Marten;
using Microsoft.Extensions.Options;
using Npgsql;
using SessionOptions = Marten.Services.SessionOptions;

namespace Billing.Host;

/// <summary>
/// Gives closed periods their invoices. The row of the number series is locked first and until the commit, so that numbers
/// are given to committed invoices only: none is missing, none is given twice (B2).
/// </summary>
public sealed class InvoiceFinalizing(IDocumentStore store, NpgsqlDataSource database, MenuBook menus, IOptions<BillingOptions> options)
{
    /// <returns>how many invoices became final; 0 when no closed period is without one</returns>
    public async Task<int> RunBatch(DateTimeOffset now, CancellationToken ct)
    {
        // Looked at without the lock first, for most of the time there is nothing to do.
        if (!await AnyWork(ct)) return 0;
        await using var connection = await database.OpenConnectionAsync(ct);
        await using var transaction = await connection.BeginTransactionAsync(ct);
        var number = await LockSeries(connection, ct);
        await using var session = store.LightweightSession(SessionOptions.ForTransaction(transaction));
        // Read under the lock: whatever another instance finalized before us is no longer on the list.
        var work = await session.Query<PeriodToInvoice>().OrderBy(p => p.Id).Take(options.Value.PeriodBatchMax).ToListAsync(ct);
        if (work.Count == 0) return 0;
        var streams = await StoredStreams.ReadAsync(session, work.SelectMany(w => new[] { w.Id, InvoiceIds.Of(w.Id) }), ct);
        foreach (var period in work) number = await Finalize(session, streams, period.Id, number, now, ct);
        await session.SaveChangesAsync(ct);
        await SetSeries(connection, number, ct);
        await transaction.CommitAsync(ct);
        return work.Count;
    }

    private async Task<long> Finalize(IDocumentSession session, StoredStreams streams, string periodId, long last, DateTimeOffset now, CancellationToken ct)
    {
        var invoiceId = InvoiceIds.Of(periodId);
        var closed = (PeriodState.Closed)streams.Period(periodId);
        var terms = await menus.Get(InvoiceRating.MenusOf(closed.Facts), ct);
        var number = InvoiceNumber.Of(options.Value.InvoiceSeries, last + 1);
        var decision = FinalizeInvoiceDecision.Decide(new(closed, terms, number, now), streams.Invoice(invoiceId)).OrThrow();
        if (decision.Events is not [InvoiceFinalized final])
        {
            session.Delete<PeriodToInvoice>(periodId);
            return last;
        }
        session.AppendExpecting(invoiceId, 0, decision.Events);
        session.Insert(new StoredInvoice(
            invoiceId, number, periodId, final.SubscriptionId, now, final.TotalMicros.Value, final.DocumentSha256,
            Encoding.UTF8.GetString(InvoiceDocument.Finalized(closed.Facts, terms, number, now).ToUtf8())));
        return last + 1;
    }

    private async Task<bool> AnyWork(CancellationToken ct)
    {
        await using var session = store.QuerySession();
        return await session.Query<PeriodToInvoice>().AnyAsync(ct);
    }

    private async Task<long> LockSeries(NpgsqlConnection connection, CancellationToken ct)
    {
        await using var command = new NpgsqlCommand("""
            insert into billing.number_series (series, last_number) values ($1, 0)
            on conflict (series) do update set last_number = number_series.last_number returning last_number
            """, connection) { Parameters = { new() { Value = options.Value.InvoiceSeries } } };
        return (long)(await command.ExecuteScalarAsync(ct))!;
    }

    private async Task SetSeries(NpgsqlConnection connection, long last, CancellationToken ct)
    {
        await using var command = new NpgsqlCommand("update billing.number_series set last_number = $2 where series = $1", connection)
        {
            Parameters = { new() { Value = options.Value.InvoiceSeries }, new() { Value = last } },
        };
        await command.ExecuteNonQueryAsync(ct);
    }
}
