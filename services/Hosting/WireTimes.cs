using Google.Protobuf.WellKnownTypes;

namespace Hosting;

public static class WireTimes
{
    /// <summary>A timestamp as a caller sent it.</summary>
    /// <exception cref="FormatException">Absent, before year 1, after year 9999, or with nanoseconds outside a second; names the field.</exception>
    public static DateTimeOffset ToTime(this Timestamp? timestamp, string field)
    {
        if (timestamp is null) throw new FormatException($"{field} is missing: expected a time");
        try
        {
            return timestamp.ToDateTimeOffset();
        }
        catch (Exception e) when (e is InvalidOperationException or ArgumentOutOfRangeException)
        {
            throw new FormatException($"{field} is not a time between the years 1 and 9999");
        }
    }
}
