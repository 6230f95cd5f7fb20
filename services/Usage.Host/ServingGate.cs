namespace Usage.Host;

/// <summary>Open between the database's first answer and the beginning of a shutdown.</summary>
public sealed class ServingGate(IHostApplicationLifetime lifetime)
{
    private volatile bool _serving;

    public CancellationToken Draining => lifetime.ApplicationStopping;

    public void Open() => _serving = true;

    public void ThrowUnlessServing()
    {
        if (Draining.IsCancellationRequested) throw new Refusal(Reasons.Draining, "this instance is shutting down; call another, or again in a moment").AsException();
        ThrowUnlessOpened();
    }

    /// <summary>For what has to be done while it drains as well.</summary>
    public void ThrowUnlessOpened()
    {
        if (!_serving) throw new StoreNotReadyException();
    }
}
