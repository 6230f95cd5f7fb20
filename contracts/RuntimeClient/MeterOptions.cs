namespace RuntimeClient;

/// <summary>How a <see cref="MeterClient"/> talks. The defaults suit a runtime in the same region as its meter.</summary>
public sealed record MeterOptions
{
    /// <summary>Tokens that are counted before they are reported. Default 32. The end of a grant is always reported at once.</summary>
    public int TokensPerReport { get; init; } = 32;

    /// <summary>The longest that a counted token goes unreported. Default 1 s.</summary>
    public TimeSpan ReportWithin { get; init; } = TimeSpan.FromSeconds(1);

    /// <summary>A generation that is owed an answer and has heard nothing about itself for so long says everything again. Default 5 s.</summary>
    public TimeSpan RetransmitAfter { get; init; } = TimeSpan.FromSeconds(5);

    /// <summary>A stream that owes answers and is silent for so long is given up for another. Default 20 s.</summary>
    public TimeSpan SilenceMax { get; init; } = TimeSpan.FromSeconds(20);

    /// <summary>The first pause after a failure; it doubles up to <see cref="PauseMax"/>. Default 100 ms.</summary>
    public TimeSpan PauseMin { get; init; } = TimeSpan.FromMilliseconds(100);

    /// <summary>The longest pause between two attempts. Default 5 s.</summary>
    public TimeSpan PauseMax { get; init; } = TimeSpan.FromSeconds(5);

    /// <summary>How long disposing a generation or the client waits for what is not acknowledged yet. Default 10 s.</summary>
    public TimeSpan DisposeWithin { get; init; } = TimeSpan.FromSeconds(10);

    /// <summary>Frames in one message. Default 500.</summary>
    public int FramesPerMessageMax { get; init; } = 500;

    /// <summary>The API key of the scope runtime that every call carries, where the client makes its own connection. Default none.</summary>
    public string ApiKey { get; init; } = "";

    /// <summary>The real clock: grants say until when they hold.</summary>
    public TimeProvider Time { get; init; } = TimeProvider.System;
}
