using System.Runtime.CompilerServices;
using System.Security.Cryptography;
using System.Text;
using Billing.Accounts;
using Billing.Audit;
using Billing.Invoices;
using Billing.Ledger;
using Billing.Periods;
using Npgsql;

namespace Billing.Host;

/// <summary>
/// The journal out of one snapshot of the database. Accounts and invoices are read one after the other, each whole, so that memory holds one of them, who the customers
/// are, and when the plans of those periods held in which they changed.
/// </summary>
/// <param name="waitSecondsMax">for the database, at each read; 0 waits as long as it takes</param>
internal sealed class LedgerReader(NpgsqlConnection books, EventRows rows, HistoryPoint point, int waitSecondsMax = 0)
{
    private readonly KnownEvents _known = new(point);

    /// <param name="customerId">empty for all</param>
    /// <returns>in no particular order</returns>
    /// <exception cref="RefusedException">customer_unknown, document_differs, event_type_unknown</exception>
    /// <exception cref="CorruptStreamException">An event of them cannot be read: sums without it would be wrong.</exception>
    public async IAsyncEnumerable<JournalEntry> Entries(Period window, string customerId, [EnumeratorCancellation] CancellationToken ct)
    {
        var customers = await Customers(customerId, ct);
        await foreach (var account in Streams<AccountEvent>(LedgerQueries.For(customerId).Accounts, customerId.Length == 0 ? "" : AccountIds.Of(customerId), ct))
        {
            var (customer, currency) = customers.GetValueOrDefault(account.Id) ?? throw new InvalidOperationException($"{account.Id} is the account of no customer: the store is corrupt");
            foreach (var entry in new CreditPostings(account.Events, customer, currency).Entries(window)) yield return entry;
        }

        var times = await ChangedPeriods(customerId, ct);
        await foreach (var invoice in Streams<InvoiceEvent>(LedgerQueries.For(customerId).Invoices, customerId, ct))
        {
            if (invoice.Events.Select(e => e.Event).OfType<InvoiceFinalized>().SingleOrDefault() is not { } final) continue;
            var amounts = InvoicedAmounts.Of(Document(invoice.Id, final, invoice.Document), times.GetValueOrDefault(final.PeriodId));
            foreach (var entry in new InvoicePostings(invoice.Events, amounts).Entries(window)) yield return entry;
        }
    }

    /// <summary>What is known of a customer's final invoices, one after the other.</summary>
    /// <exception cref="RefusedException">customer_unknown</exception>
    public async IAsyncEnumerable<IReadOnlyList<RecordedEvent<InvoiceEvent>>> Invoices(string customerId, [EnumeratorCancellation] CancellationToken ct)
    {
        await Customers(customerId, ct);
        await foreach (var invoice in Streams<InvoiceEvent>(LedgerQueries.OfCustomer.InvoicesAlone, customerId, ct))
            if (invoice.Events.Any(e => e.Event is InvoiceFinalized)) yield return invoice.Events;
    }

    /// <summary>Whose invoice it is.</summary>
    /// <exception cref="RefusedException">invoice_unknown</exception>
    public async Task<string> CustomerOf(string invoiceId, CancellationToken ct)
    {
        await using var command = new NpgsqlCommand("select data ->> 'customerId' from billing.mt_events where stream_id = $1 and type = 'invoice_finalized'", books) { Parameters = { new() { Value = invoiceId } } };
        return await command.ExecuteScalarAsync(ct) as string ?? throw new Refusal("invoice_unknown", $"{invoiceId} is not a final invoice").AsException();
    }

    /// <summary>
    /// Periods that began before a moment and have no final invoice. One that a cancellation emptied before it began, or that was paused throughout, will have none,
    /// unless usage comes late for it.
    /// </summary>
    public async Task<long> PeriodsToInvoice(DateTimeOffset before, string customerId, CancellationToken ct)
    {
        await using var command = new NpgsqlCommand(LedgerQueries.For(customerId).PeriodsToInvoice, books)
        {
            CommandTimeout = 0,
            Parameters =
            {
                new() { Value = customerId }, new() { Value = before.ToUniversalTime() }, new() { Value = (object?)point.Sequence ?? DBNull.Value },
                new() { Value = (object?)point.Time?.ToUniversalTime() ?? DBNull.Value },
            },
        };
        return (long)(await command.ExecuteScalarAsync(ct))!;
    }

    /// <summary>By the id of their account.</summary>
    private async Task<Dictionary<string, CustomerAccount>> Customers(string customerId, CancellationToken ct)
    {
        await using var command = new NpgsqlCommand(LedgerQueries.For(customerId).Customers, books)
        {
            CommandTimeout = waitSecondsMax, Parameters = { new() { Value = customerId } },
        };
        var customers = new Dictionary<string, CustomerAccount>();
        await using var reader = await command.ExecuteReaderAsync(ct);
        while (await reader.ReadAsync(ct)) customers.Add(AccountIds.Of(reader.GetString(0)), new(reader.GetString(0), Currency.Parse(reader.GetString(1))));
        return customers.Count > 0 || customerId.Length == 0 ? customers : throw new Refusal("customer_unknown", $"there is no customer {customerId}").AsException();
    }

    private async Task<Dictionary<string, PlanTimes>> ChangedPeriods(string customerId, CancellationToken ct)
    {
        await using var command = new NpgsqlCommand(LedgerQueries.For(customerId).ChangedPeriods, books) { CommandTimeout = waitSecondsMax, Parameters = { new() { Value = customerId } } };
        var times = new Dictionary<string, PlanTimes>();
        await using var reader = await command.ExecuteReaderAsync(ct);
        PeriodFacts? facts = null;
        while (await reader.ReadAsync(ct))
        {
            var row = rows.Read(reader);
            facts = row.Body<PeriodEvent>() switch
            {
                PeriodOpened o => PeriodFacts.Of(o),
                PeriodPlanChanged c => facts!.With(c),
                PeriodPlanEnded e => facts!.With(e),
                var other => throw new System.Diagnostics.UnreachableException($"{other.GetType().Name} was not asked for"),
            };
            times[row.Stream] = facts.Plans;
        }
        return times;
    }

    /// <summary>What is known of streams, each with the document that stands beside its events.</summary>
    private async IAsyncEnumerable<(string Id, List<RecordedEvent<TEvent>> Events, string? Document)> Streams<TEvent>(string sql, string parameter, [EnumeratorCancellation] CancellationToken ct)
    {
        await using var command = new NpgsqlCommand(sql, books) { CommandTimeout = waitSecondsMax, Parameters = { new() { Value = parameter } } };
        await using var reader = await command.ExecuteReaderAsync(ct);
        var (id, events, document) = ("", new List<RecordedEvent<TEvent>>(), (string?)null);
        while (await reader.ReadAsync(ct))
        {
            var row = rows.Read(reader);
            if (row.Stream != id)
            {
                if (events.Count > 0) yield return (id, events, document);
                (id, events, document) = (row.Stream, [], null);
            }
            if (!_known.Has(id, row.Sequence, row.Data)) continue;
            events.Add(new(id, row.Version, row.Sequence, row.Body<TEvent>()));
            if (!reader.IsDBNull(5)) document = reader.GetString(5);
        }
        if (events.Count > 0) yield return (id, events, document);
    }

    private static string Document(string invoiceId, InvoiceFinalized final, string? document) => document is not null && Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(document))) == final.DocumentSha256
        ? document
        : throw new Refusal("document_differs", $"the document of {final.Number} ({invoiceId}) is {(document is null ? "missing" : "not the one that its event names")}: nothing is added up from it").AsException();

    private sealed record CustomerAccount(string CustomerId, Currency Currency);
}
