using Billing.Invoices;
using Billing.Ledger;

namespace Billing.Statements;

/// <summary>What changed what a customer owes.</summary>
/// <param name="Kind">invoice, void, credit_note, payment, refund, write_off or recovery</param>
/// <param name="At">the date that it counts for: of a payment the provider's</param>
/// <param name="Text">its number, reference or reason</param>
/// <param name="AmountMicros">above zero the customer owes more</param>
/// <param name="BalanceMicros">what the customer owes after it</param>
public sealed record StatementLine(DateTimeOffset At, long Sequence, string Kind, string InvoiceId, string Number, string Text, Micros AmountMicros, Micros BalanceMicros);

/// <summary>What is left to pay at the end, by how many days it is late. What was paid too much stands below zero in the first.</summary>
public sealed record Ageing(Micros CurrentMicros, Micros To30DaysMicros, Micros To60DaysMicros, Micros To90DaysMicros, Micros Over90DaysMicros)
{
    public static Ageing Of(IEnumerable<(int DaysLate, Micros Left)> invoices)
    {
        var sums = new Micros[5];
        foreach (var (days, left) in invoices) sums[left <= Micros.Zero || days <= 0 ? 0 : days <= 30 ? 1 : days <= 60 ? 2 : days <= 90 ? 3 : 4] += left;
        return new(sums[0], sums[1], sums[2], sums[3], sums[4]);
    }
}

/// <summary>A customer's page of the receivables in one currency over a span of time: what was owed before it, what changed that, and what is owed after it.</summary>
public sealed record CustomerStatement(Currency Currency, Period Window, Micros OpeningMicros, ValueList<StatementLine> Lines, Micros ClosingMicros, Ageing Ageing)
{
    /// <param name="invoices">all of the customer's, each by its events in order; those that are known</param>
    /// <returns>one for each currency that the customer was ever invoiced in, by code</returns>
    public static IEnumerable<CustomerStatement> Of(IEnumerable<IReadOnlyList<RecordedEvent<InvoiceEvent>>> invoices, Period window) => invoices.Select(InvoiceAccount.Of)
        .GroupBy(i => i.Currency).OrderBy(g => g.Key.Code, StringComparer.Ordinal).Select(g => Of(g.Key, [.. g], window));

    private static CustomerStatement Of(Currency currency, InvoiceAccount[] invoices, Period window)
    {
        var opening = Micros.Sum(invoices.Select(i => i.Owed(window.Start)));
        var (balance, lines) = (opening, new List<StatementLine>());
        foreach (var line in invoices.SelectMany(i => i.Lines).Where(l => window.Contains(l.At)).OrderBy(l => l.At).ThenBy(l => l.Sequence))
        {
            balance += line.AmountMicros;
            lines.Add(line with { BalanceMicros = balance });
        }
        return new(currency, window, opening, lines.ToValueList(), balance, Ageing.Of(invoices.Select(i => (i.DaysLate(window.End), i.Owed(window.End)))));
    }
}
