using Billing.Invoices;

namespace Billing.Dunning;

/// <summary>
/// Lets the dunning of an invoice follow the business clock: the step that is due is taken, one at a look. Whoever was away meanwhile asks for the oldest first, and what follows keeps its distance: no
/// final action comes sooner after the last step than the schedule says, so that nobody is asked four times and cancelled in one moment.
/// </summary>
public sealed record TakeDunningSteps(DateTimeOffset At);

public static class TakeDunningStepsDecision
{
    public static Decision<InvoiceEvent> Decide(TakeDunningSteps c, InvoiceState state) =>
        state is InvoiceState.Finalized { Dunning: { NextAt: { } due } dunning } invoice && due <= c.At
            ? Decision.Accept<InvoiceEvent>([.. Due(invoice, dunning, due, c.At)])
            : Decision.NoChange;

    private static IEnumerable<InvoiceEvent> Due(InvoiceState.Finalized invoice, DunningProgress dunning, DateTimeOffset due, DateTimeOffset at)
    {
        if (!dunning.HasTakenAllSteps)
        {
            yield return new DunningStepTaken(dunning.StepsTaken + 1, invoice.OutstandingMicros, due, at, dunning.MovedBy(at));
            yield break;
        }
        yield return new DunningExhausted(dunning.Schedule.FinalAction, invoice.OutstandingMicros, due, at);
        if (dunning.Schedule.FinalAction == DunningFinalAction.MarkUncollectible) yield return new InvoiceWrittenOff(invoice.OutstandingMicros, "dunning is exhausted", at);
    }
}
