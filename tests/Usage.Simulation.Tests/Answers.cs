using Usage.Caps;

namespace Usage.Simulation.Tests;

internal enum AnswerKind { Granted, Denied, Stopped, Acknowledged, Rejected }

/// <summary>What a runtime hears.</summary>
/// <param name="Number">tokens allowed in all, or a sequence</param>
internal readonly record struct Answer(AnswerKind Kind, Guid Generation, long Number = 0, string Reason = "", DateTimeOffset Until = default, bool Final = false, bool Finished = false, Attempt Attempt = default);

internal enum RequestKind { Start, Count, Renew }

/// <summary>What a runtime says.</summary>
internal readonly record struct Request(RequestKind Kind, GenerationHeader Header, Frame Frame = default, long TokensWanted = 0, bool Resumed = false, Attempt Attempt = default);

/// <summary>Whom answers go to: a stream, or a unary call that waits.</summary>
internal abstract class Outlet(int number)
{
    /// <summary>Nobody hears what is sent here any more, and the service knows it.</summary>
    public abstract bool IsGone { get; }

    public abstract void Send(in Answer answer);

    public bool Supersedes(Outlet other) => number >= other.Number || other.IsGone;

    private int Number => number;
}

/// <summary>Where a generation's answers go, by the product's rule: to the newest stream that spoke for it.</summary>
internal sealed class Route(Cell cell, Outlet outlet)
{
    public Cell Cell => cell;
    public Outlet Outlet { get; private set; } = outlet;

    public void Heard(Outlet speaker)
    {
        if (speaker.Supersedes(Outlet)) Outlet = speaker;
    }

    public void Started(Outlet speaker)
    {
        if (!speaker.IsGone || Outlet.IsGone) Outlet = speaker;
    }
}
