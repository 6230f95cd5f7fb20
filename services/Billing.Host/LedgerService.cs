using Billing.Ledger;
using Contracts.Billing.V1;
using Google.Protobuf.WellKnownTypes;
using Grpc.Core;
using Marten;
using ContractPosition = Contracts.Billing.V1.ContractPosition;
using JournalEntry = Billing.Ledger.JournalEntry;
using JournalLine = Contracts.Billing.V1.JournalLine;
using LedgerAccount = Billing.Ledger.LedgerAccount;
using TrialBalance = Contracts.Billing.V1.TrialBalance;
using V1 = Contracts.Billing.V1;

namespace Billing.Host;

/// <summary>billing.v1.Ledger. Every answer is computed from the stored events of one moment; nothing of it is stored.</summary>
public sealed class LedgerService(IDocumentStore store, AuditDatabase database, BusinessClock clock) : V1.Ledger.LedgerBase
{
    private readonly EventRows _rows = EventRows.Of(store);

    public override Task<ListLedgerAccountsResponse> ListAccounts(ListLedgerAccountsRequest request, ServerCallContext context) =>
        Task.FromResult(new ListLedgerAccountsResponse { Accounts = { LedgerAccount.All.Select(Account) } });

    public override async Task<TrialBalance> GetTrialBalance(GetTrialBalanceRequest request, ServerCallContext context)
    {
        var (ct, before) = (context.CancellationToken, Before(request.AsOf, "as_of"));
        CheckCustomerAndCurrency(request.CustomerId, request.Currency);
        await using var snapshot = await AuditSnapshot.Open(database, ct);
        var reader = new LedgerReader(snapshot.Connection, _rows, Wire.Point(request.Known));
        var sums = new Billing.Ledger.TrialBalance();
        await foreach (var entry in reader.Entries(new(DateTimeOffset.MinValue, before), request.CustomerId, ct)) sums.Add(entry);
        var answer = new TrialBalance { AsOf = request.AsOf ?? clock.Now.ToTimestamp(), PeriodsToInvoice = await reader.PeriodsToInvoice(before, request.CustomerId, ct) };
        answer.Balances.AddRange(sums.Balances.Where(b => request.Currency.Length == 0 || b.Currency.Code == request.Currency).Select(b => new AccountBalance
        {
            Currency = b.Currency.Code, Account = Account(b.Account), DebitMicros = b.DebitMicros.Value, CreditMicros = b.CreditMicros.Value, BalanceMicros = b.BalanceMicros.Value,
        }));
        return answer;
    }

    /// <summary>An order by date needs all entries that are asked for: whoever has many asks month by month.</summary>
    public override async Task ListEntries(ListJournalEntriesRequest request, IServerStreamWriter<V1.JournalEntry> responseStream, ServerCallContext context)
    {
        var ct = context.CancellationToken;
        var window = new Period(request.From?.ToTime("from") ?? DateTimeOffset.MinValue, Before(request.To, "to"));
        if (window.End < window.Start) throw new FormatException("to is before from");
        CheckCustomerAndCurrency(request.CustomerId, request.Currency);
        if (request.InvoiceId.Length > 0) Ids.Parse(Ids.Invoice, request.InvoiceId);
        if (request.Account.Length > 0 && LedgerAccount.All.All(a => a.Code != request.Account))
            throw new Refusal("ledger_account_unknown", $"there is no account {request.Account}; ListAccounts says which there are").AsException();
        await using var snapshot = await AuditSnapshot.Open(database, ct);
        var reader = new LedgerReader(snapshot.Connection, _rows, Wire.Point(request.Known));
        // The credit that an invoice used stands in its customer's account.
        var customer = request.InvoiceId.Length > 0 ? await reader.CustomerOf(request.InvoiceId, ct) : request.CustomerId;
        var entries = new List<JournalEntry>();
        await foreach (var entry in reader.Entries(window, customer, ct))
            if (IsAskedFor(entry, request)) entries.Add(entry);
        foreach (var entry in entries.Order(JournalOrder.Default)) await responseStream.WriteAsync(Answer(entry), ct);
    }

    public override async Task ListPositions(ListContractPositionsRequest request, IServerStreamWriter<ContractPosition> responseStream, ServerCallContext context)
    {
        var ct = context.CancellationToken;
        CheckCustomerAndCurrency(request.CustomerId, request.Currency);
        await using var snapshot = await AuditSnapshot.Open(database, ct);
        var positions = new ContractPositions();
        await foreach (var entry in new LedgerReader(snapshot.Connection, _rows, Wire.Point(request.Known)).Entries(new(DateTimeOffset.MinValue, Before(request.AsOf, "as_of")), request.CustomerId, ct)) positions.Add(entry);
        foreach (var p in positions.All.Where(p => (request.WithSettled || !p.IsSettled) && (request.Currency.Length == 0 || p.Currency.Code == request.Currency)))
            await responseStream.WriteAsync(
                new()
                {
                    InvoiceId = p.InvoiceId, CustomerId = p.CustomerId, Currency = p.Currency.Code, RecognizedMicros = p.RecognizedMicros.Value, UnbilledMicros = p.UnbilledMicros.Value,
                    DeferredMicros = p.DeferredMicros.Value, ReceivableMicros = p.ReceivableMicros.Value,
                }, ct);
    }

    /// <summary>Times are cut before a moment; up to now includes it.</summary>
    private DateTimeOffset Before(Timestamp? asked, string field) => asked?.ToTime(field) ?? clock.Now.AddTicks(1);

    private static void CheckCustomerAndCurrency(string customerId, string currency)
    {
        if (customerId.Length > 0) Ids.Parse(Ids.Customer, customerId);
        if (currency.Length > 0) Currency.Parse(currency);
    }

    private static bool IsAskedFor(JournalEntry entry, ListJournalEntriesRequest request) =>
        (request.CustomerId.Length == 0 || entry.CustomerId == request.CustomerId) && (request.InvoiceId.Length == 0 || entry.InvoiceId == request.InvoiceId)
        && (request.Currency.Length == 0 || entry.Currency.Code == request.Currency) && (request.Account.Length == 0 || entry.Lines.Any(l => l.Account.Code == request.Account));

    private static V1.JournalEntry Answer(JournalEntry entry)
    {
        var answer = new V1.JournalEntry
        {
            EntryId = entry.EntryId, Kind = entry.Kind, At = entry.At.ToTimestamp(), PostedAt = entry.PostedAt.ToTimestamp(), Sequence = entry.Sequence, CustomerId = entry.CustomerId,
            InvoiceId = entry.InvoiceId, Text = entry.Text, Currency = entry.Currency.Code,
        };
        answer.Lines.AddRange(entry.Lines.Select(l => new JournalLine { Account = Account(l.Account), DebitMicros = l.DebitMicros.Value, CreditMicros = l.CreditMicros.Value, Text = l.Text }));
        return answer;
    }

    private static V1.LedgerAccount Account(LedgerAccount account) => new()
    {
        Code = account.Code, Name = account.Name, Kind = account.Kind switch { LedgerAccountKind.Asset => "asset", LedgerAccountKind.Liability => "liability", _ => "income" }, Holds = account.Holds,
    };
}
