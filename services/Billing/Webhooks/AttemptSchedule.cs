namespace Billing.Webhooks;

/// <summary>When a delivery that failed is tried again, on the business clock: the delays that the Standard Webhooks specification suggests. Ten attempts over three days.</summary>
public static class AttemptSchedule
{
    private static readonly TimeSpan[] Delays =
    [
        TimeSpan.FromSeconds(5), TimeSpan.FromMinutes(5), TimeSpan.FromMinutes(30), TimeSpan.FromHours(2), TimeSpan.FromHours(5),
        TimeSpan.FromHours(10), TimeSpan.FromHours(14), TimeSpan.FromHours(20), TimeSpan.FromHours(24),
    ];

    /// <summary>An endpoint that has taken nothing for so long is disabled.</summary>
    public static readonly TimeSpan GiveUpAfter = TimeSpan.FromDays(3);

    public static int AttemptsMax => Delays.Length + 1;

    /// <param name="failed">attempts so far, each of which failed</param>
    /// <returns>null when it is not tried again</returns>
    public static DateTimeOffset? Next(int failed, DateTimeOffset at) => failed < AttemptsMax ? at + Delays[failed - 1] : null;
}
