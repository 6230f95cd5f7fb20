namespace Kernel;

/// <summary>Why a command was refused: a stable snake_case code for programs, and a sentence for people that says what to do.</summary>
public readonly record struct Refusal(string Code, string Detail);

public readonly record struct NoChange;

/// <summary>What deciding yields: events to append (none if it already holds), or one refusal. Never both, never an exception.</summary>
public sealed record Decision<TEvent>(IReadOnlyList<TEvent> Events, Refusal? Refused)
{
    public static implicit operator Decision<TEvent>(NoChange _) => new([], null);
    public static implicit operator Decision<TEvent>(Refusal r) => new([], r);
}

public static class Decision
{
    public static NoChange NoChange => default;
    public static Refusal Refuse(string code, string detail) => new(code, detail);
    public static Decision<TEvent> Accept<TEvent>(params IReadOnlyList<TEvent> events) => new(events, null);
}
