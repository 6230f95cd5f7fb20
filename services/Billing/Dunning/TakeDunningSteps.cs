using Billing.Invoices;

namespace Billing.Dunning;

/// <summary>Lets the dunning of an invoice follow the business clock: every step that is due is taken, each for its own time and in order, however long the clock stood or jumped.</summary>
public sealed record TakeDunningSteps(DateTimeOffset At);

public static class TakeDunningStepsDecision
{
    public static Decision<InvoiceEvent> Decide(TakeDunningSteps c, InvoiceState state)
    {
        var events = new List<InvoiceEvent>();
        while (state is InvoiceState.Finalized { Dunning: { NextAt: { } due } dunning } invoice && due <= c.At)
        {
            foreach (var e in Due(invoice, dunning, due, c.At))
            {
                events.Add(e);
                state = InvoiceState.Evolve(state, e);
            }
        }
        return Decision.Accept<InvoiceEvent>(events);
    }

    private static IEnumerable<InvoiceEvent> Due(InvoiceState.Finalized invoice, DunningProgress dunning, DateTimeOffset due, DateTimeOffset at)
    {
        if (!dunning.HasTakenAllSteps)
        {
            yield return new DunningStepTaken(dunning.StepsTaken + 1, invoice.OutstandingMicros, due, at);
            yield break;
        }
        yield return new DunningExhausted(dunning.Schedule.FinalAction, invoice.OutstandingMicros, due, at);
        if (dunning.Schedule.FinalAction == DunningFinalAction.MarkUncollectible) yield return new InvoiceWrittenOff(invoice.OutstandingMicros, "dunning is exhausted", at);
    }
}
