using System.Globalization;
using Chaos;
using LocalServers;

if (RuntimeProcess.IsHere)
{
    await RuntimeProcess.RunAsync();
    return 0;
}
// Usage: Chaos --rounds N --seed S [--json]
if (args is not ["--rounds", var roundsText, "--seed", var seedText, .. var rest] || rest is not ([] or ["--json"])
    || !int.TryParse(roundsText, NumberStyles.None, CultureInfo.InvariantCulture, out var rounds) || rounds < 1
    || !int.TryParse(seedText, NumberStyles.None, CultureInfo.InvariantCulture, out var seed))
{
    Console.Error.WriteLine("usage: Chaos --rounds N --seed S [--json]");
    return 2;
}
try
{
    var figures = await new ChaosBench(rounds, seed, Console.Error.WriteLine).RunAsync();
    Console.WriteLine(rest is ["--json"] ? figures.ToJson() : figures.ToText());
    return 0;
}
catch (ServerUnavailableException error)
{
    Console.Error.WriteLine(error.Message);
    return 1;
}
catch (Exception error) when (error is ChaosException or TimeoutException or InvalidOperationException or Xunit.Sdk.XunitException or RuntimeClient.MeterException)
{
    Console.Error.WriteLine($"seed {seed}: {error}");
    return 1;
}
