using System.Globalization;

namespace Cli;

/// <summary>What people write on the command line and in files, read in one way everywhere.</summary>
public static class Inputs
{
    private const decimal AmountMax = 1_000_000_000_000;
    private static readonly string[] TimeForms = ["yyyy-MM-dd", "yyyy-MM-dd'T'HH:mm:ss'Z'"];

    /// <summary>A day, which is its first moment, or a moment, in UTC: 2026-01-31 or 2026-01-31T12:00:00Z.</summary>
    public static bool TryTime(string text, out DateTimeOffset time) => DateTimeOffset.TryParseExact(text, TimeForms, CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal, out time);

    /// <summary>An amount in major units, such as 12.50: zero or more, at most a million million, to the micro.</summary>
    public static bool TryAmount(string text, out long micros)
    {
        micros = 0;
        if (!decimal.TryParse(text, NumberStyles.AllowDecimalPoint, CultureInfo.InvariantCulture, out var amount) || amount.Scale > 6 || amount > AmountMax) return false;
        micros = (long)(amount * 1_000_000);
        return true;
    }
}
