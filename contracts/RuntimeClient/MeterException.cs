namespace RuntimeClient;

/// <summary>The meter has refused for good; the reasons are those of contracts/README.md. What can pass by itself is retried and never thrown.</summary>
public class MeterException : Exception
{
    public MeterException(string reason, string message) : base($"{reason}: {message}") => Reason = reason;

    public MeterException(string reason, string message, Exception inner) : base($"{reason}: {message}", inner) => Reason = reason;

    /// <summary>Such as sequence_reused.</summary>
    public string Reason { get; }
}

/// <summary>The generation may not start: generate nothing.</summary>
/// <param name="window">which cap, when the reason is cap_reached; else empty</param>
/// <param name="retryAfter">business time when trying again makes sense, if known</param>
public sealed class GenerationDeniedException(string reason, string detail, string window, DateTimeOffset? retryAfter) : MeterException(reason, detail)
{
    public string Window { get; } = window;
    public DateTimeOffset? RetryAfter { get; } = retryAfter;
}
