using Billing.Invoices;
using Billing.Ledger;
using Billing.Statements;
using Contracts.Billing.V1;
using Google.Protobuf.WellKnownTypes;
using Grpc.Core;
using Marten;
using V1 = Contracts.Billing.V1;

namespace Billing.Host;

/// <summary>billing.v1.Statements. Every answer is computed from the stored events of one moment; nothing of it is stored.</summary>
public sealed class StatementsService(IDocumentStore store, AuditDatabase database, BusinessClock clock) : V1.Statements.StatementsBase
{
    private const int WaitSecondsMax = 30;
    private readonly EventRows _rows = EventRows.Of(store);

    public override async Task<Statement> GetStatement(GetStatementRequest request, ServerCallContext context)
    {
        var ct = context.CancellationToken;
        Ids.Parse(Ids.Customer, request.CustomerId);
        // Up to now includes now.
        var window = new Period(request.From?.ToTime("from") ?? DateTimeOffset.MinValue, request.To?.ToTime("to") ?? clock.Now.AddTicks(1));
        if (window.End < window.Start) throw new FormatException("to is before from");
        await using var snapshot = await AuditSnapshot.Open(database, ct);
        var invoices = new List<IReadOnlyList<RecordedEvent<InvoiceEvent>>>();
        await foreach (var invoice in new LedgerReader(snapshot.Connection, _rows, Wire.Point(request.Known), WaitSecondsMax).Invoices(request.CustomerId, ct)) invoices.Add(invoice);
        var answer = new Statement { CustomerId = request.CustomerId, From = request.From, To = request.To ?? clock.Now.ToTimestamp() };
        answer.Currencies.AddRange(CustomerStatement.Of(invoices, window).Select(Answer));
        return answer;
    }

    private static CurrencyStatement Answer(CustomerStatement s)
    {
        var answer = new CurrencyStatement
        {
            Currency = s.Currency.Code, OpeningMicros = s.OpeningMicros.Value, ClosingMicros = s.ClosingMicros.Value,
            Ageing = new()
            {
                CurrentMicros = s.Ageing.CurrentMicros.Value, To30DaysMicros = s.Ageing.To30DaysMicros.Value, To60DaysMicros = s.Ageing.To60DaysMicros.Value,
                To90DaysMicros = s.Ageing.To90DaysMicros.Value, Over90DaysMicros = s.Ageing.Over90DaysMicros.Value,
            },
        };
        answer.Lines.AddRange(s.Lines.Select(l => new V1.StatementLine
        {
            At = l.At.ToTimestamp(), Kind = l.Kind, InvoiceId = l.InvoiceId, Number = l.Number, Text = l.Text, AmountMicros = l.AmountMicros.Value, BalanceMicros = l.BalanceMicros.Value, Sequence = l.Sequence,
        }));
        return answer;
    }
}
