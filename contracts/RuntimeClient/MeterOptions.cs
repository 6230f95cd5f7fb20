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

    /// <summary>Frames in one message, 1 to 10,000. Default 500. A meter that takes fewer, or fewer bytes, is sent fewer.</summary>
    public int FramesPerMessageMax { get; init; } = 500;

    /// <summary>The API key of the scope runtime that every call carries, where the client makes its own connection. Default none.</summary>
    public string ApiKey { get; init; } = "";

    /// <summary>The real clock: grants say until when they hold.</summary>
    public TimeProvider Time { get; init; } = TimeProvider.System;

    /// <summary>As records are shown, but for the key: options are logged.</summary>
    public override string ToString() =>
        $"{nameof(MeterOptions)} {{ {nameof(TokensPerReport)} = {TokensPerReport}, {nameof(ReportWithin)} = {ReportWithin}, {nameof(RetransmitAfter)} = {RetransmitAfter}, {nameof(SilenceMax)} = {SilenceMax}, "
        + $"{nameof(PauseMin)} = {PauseMin}, {nameof(PauseMax)} = {PauseMax}, {nameof(DisposeWithin)} = {DisposeWithin}, {nameof(FramesPerMessageMax)} = {FramesPerMessageMax}, "
        + $"{nameof(ApiKey)} = {(ApiKey.Length > 0 ? "(given)" : "(none)")} }}";

    /// <exception cref="ArgumentOutOfRangeException">with these no generation could be metered</exception>
    internal MeterOptions Checked()
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(TokensPerReport, 1, nameof(TokensPerReport));
        ArgumentOutOfRangeException.ThrowIfLessThan(FramesPerMessageMax, 1, nameof(FramesPerMessageMax));
        ArgumentOutOfRangeException.ThrowIfGreaterThan(FramesPerMessageMax, 10_000, nameof(FramesPerMessageMax));
        ArgumentOutOfRangeException.ThrowIfLessThanOrEqual(ReportWithin, TimeSpan.Zero, nameof(ReportWithin));
        ArgumentOutOfRangeException.ThrowIfLessThanOrEqual(RetransmitAfter, TimeSpan.Zero, nameof(RetransmitAfter));
        ArgumentOutOfRangeException.ThrowIfLessThanOrEqual(SilenceMax, TimeSpan.Zero, nameof(SilenceMax));
        ArgumentOutOfRangeException.ThrowIfLessThanOrEqual(PauseMin, TimeSpan.Zero, nameof(PauseMin));
        ArgumentOutOfRangeException.ThrowIfLessThan(PauseMax, PauseMin, nameof(PauseMax));
        ArgumentOutOfRangeException.ThrowIfLessThan(DisposeWithin, TimeSpan.Zero, nameof(DisposeWithin));
        return this;
    }
}
