namespace Usage.Host.Owners;

/// <summary>The subscription's owner is in another process, or on its way there: the caller goes on where it is now.</summary>
public static class OwnerMoved
{
    public static readonly Refusal Why = new(Reasons.OwnerMoved, "the subscription is owned by another instance now; connect again, and resume with Start what is not finished");

    public static Exception AsException() => Why.AsException();

    /// <summary>True as well if the other process could not be asked: it is gone, or going.</summary>
    public static bool Is(Exception e) => e is RefusedException { Refusal.Code: Reasons.OwnerMoved } or Orleans.Runtime.OrleansException or TimeoutException;
}
