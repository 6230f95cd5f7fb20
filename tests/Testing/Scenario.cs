namespace Testing;

/// <summary>Given past events, when a decision is made, then exactly these events (or this refusal). No store, no clock.</summary>
public sealed class Scenario<TState, TEvent>(TState initial, Func<TState, TEvent, TState> evolve)
{
    private TState _state = initial;
    private Decision<TEvent>? _decision;
    private Func<TState, Decision<TEvent>>? _decide;

    public Scenario<TState, TEvent> Given(params TEvent[] history)
    {
        _state = history.Aggregate(_state, evolve);
        return this;
    }

    public Scenario<TState, TEvent> When(Func<TState, Decision<TEvent>> decide)
    {
        (_decide, _decision) = (decide, decide(_state));
        return this;
    }

    public void Then(params TEvent[] expected)
    {
        Assert.Null(_decision!.Refused);
        Assert.Equal(expected, _decision.Events);

        // Every accepted decision is idempotent: deciding again on the new state appends nothing.
        var again = _decide!(_decision.Events.Aggregate(_state, evolve));
        Assert.Null(again.Refused);
        Assert.Empty(again.Events);
    }

    public void ThenNothing()
    {
        Assert.Null(_decision!.Refused);
        Assert.Empty(_decision.Events);
    }

    public void ThenRefused(string code)
    {
        Assert.Equal(code, _decision!.Refused?.Code);
        Assert.Empty(_decision.Events);
    }
}
