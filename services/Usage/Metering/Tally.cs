namespace Usage.Metering;

[Flags]
public enum CountedKinds
{
    None = 0, Input = 1, CachedInput = 2, CacheCreation = 4, Output = 8, Reasoning = 16,
    Prompt = Input | CachedInput | CacheCreation,
    Generated = Output | Reasoning,
}

/// <summary>Tokens by kind. The kinds are disjoint, so that they add up.</summary>
public readonly record struct Tally(long Input, long CachedInput, long CacheCreation, long Output, long Reasoning)
{
    public static Tally Zero => default;

    public long Prompt => Input + CachedInput + CacheCreation;
    public long Generated => Output + Reasoning;
    public bool IsZero => this == default;

    public static Tally operator +(in Tally a, in Tally b) => new(
        a.Input + b.Input, a.CachedInput + b.CachedInput, a.CacheCreation + b.CacheCreation, a.Output + b.Output, a.Reasoning + b.Reasoning);

    public static Tally operator -(in Tally a, in Tally b) => new(
        a.Input - b.Input, a.CachedInput - b.CachedInput, a.CacheCreation - b.CacheCreation, a.Output - b.Output, a.Reasoning - b.Reasoning);

    /// <summary>The tokens of the kinds that a cap counts.</summary>
    public long Of(CountedKinds kinds) =>
        ((kinds & CountedKinds.Input) != 0 ? Input : 0) + ((kinds & CountedKinds.CachedInput) != 0 ? CachedInput : 0) +
        ((kinds & CountedKinds.CacheCreation) != 0 ? CacheCreation : 0) + ((kinds & CountedKinds.Output) != 0 ? Output : 0) +
        ((kinds & CountedKinds.Reasoning) != 0 ? Reasoning : 0);

    public bool AnyNegative => (Input | CachedInput | CacheCreation | Output | Reasoning) < 0;

    public bool AnyAbove(long max) => Input > max || CachedInput > max || CacheCreation > max || Output > max || Reasoning > max;

    /// <summary>The larger of the two, kind by kind.</summary>
    public Tally AtLeast(in Tally least) => new(
        Math.Max(Input, least.Input), Math.Max(CachedInput, least.CachedInput), Math.Max(CacheCreation, least.CacheCreation),
        Math.Max(Output, least.Output), Math.Max(Reasoning, least.Reasoning));

    /// <summary>The first <paramref name="generated"/> generated tokens of this tally: reasoning comes before output, as models think first.</summary>
    public Tally FirstGenerated(long generated)
    {
        var reasoning = Math.Min(Reasoning, generated);
        return this with { Reasoning = reasoning, Output = Math.Min(Output, generated - reasoning) };
    }
}
