using System.Globalization;

namespace Bench.Metering;

/// <summary>Processor time since they started, of everybody who shares the machine's cores in a measurement. All zero where there is no /proc.</summary>
public readonly record struct ProcessorTimes(TimeSpan Client, TimeSpan Service, TimeSpan Postgres, TimeSpan RabbitMq, TimeSpan Redis)
{
    private const double TicksPerSecond = 100; // USER_HZ, the same on every Linux.

    public TimeSpan Total => Client + Service + Postgres + RabbitMq + Redis;

    /// <param name="folder">of the private servers: whoever works in it is one of them</param>
    /// <param name="service">the process of the service, or of its peer</param>
    public static ProcessorTimes Now(string folder, int service)
    {
        TimeSpan Of(string server) => ServerProcesses.Of(folder, server).Aggregate(TimeSpan.Zero, (sum, process) => sum + TimesOf(process, withChildren: true));
        return new(Environment.CpuUsage.TotalTime, TimesOf($"/proc/{service}", withChildren: false), Of("postgres"), Of("rabbitmq"), Of("redis"));
    }

    /// <summary>Microseconds for each of so many things done in between.</summary>
    public string Since(ProcessorTimes before, long done)
    {
        double Each(TimeSpan now, TimeSpan then) => (now - then).TotalMicroseconds / Math.Max(done, 1);
        return FormattableString.Invariant(
            $"{Each(Total, before.Total):F1} CPU-µs each: client {Each(Client, before.Client):F1}, service {Each(Service, before.Service):F1}, PostgreSQL {Each(Postgres, before.Postgres):F1}, RabbitMQ {Each(RabbitMq, before.RabbitMq):F1}, Redis {Each(Redis, before.Redis):F1}");
    }

    private static TimeSpan TimesOf(string process, bool withChildren)
    {
        try
        {
            // After the name, which may hold anything and ends with the last parenthesis: state is field 3, utime to cstime are 14 to 17.
            var stat = File.ReadAllText(Path.Combine(process, "stat"));
            var fields = stat[(stat.LastIndexOf(')') + 2)..].Split(' ');
            return TimeSpan.FromSeconds(fields[11..(withChildren ? 15 : 13)].Sum(f => long.Parse(f, CultureInfo.InvariantCulture)) / TicksPerSecond);
        }
        catch (IOException)
        {
            return TimeSpan.Zero; // It has just ended; its parent has its time.
        }
    }
}
