using Bench;
using Bench.Books;
using Bench.Metering;
using LocalServers;

// Usage: Bench menu [--quick] | Bench adapt [--quick] [--json] | Bench usage [--quick | --tiny] [--json] | Bench billing [--quick | --tiny] [--json]
switch (args)
{
    case ["menu", .. var rest] when rest.All(option => option is "--quick" or "--json"):
        Console.WriteLine(MenuBench.Run(rest.Contains("--quick") ? MenuBenchSize.Quick : MenuBenchSize.Full).ToJson());
        return 0;
    case ["adapt", .. var rest] when rest.All(option => option is "--quick" or "--json"):
        var years = AdaptBench.Run(rest.Contains("--quick") ? 2 : 10);
        Console.WriteLine(rest.Contains("--json") ? years.ToJson() : years.ToText());
        return 0;
    case ["usage", .. var rest] when rest.All(option => option is "--quick" or "--tiny" or "--json"):
        try
        {
            var usage = await UsageBench.RunAsync(rest.Contains("--tiny") ? BenchPace.Tiny : rest.Contains("--quick") ? BenchPace.Quick : BenchPace.Full, CancellationToken.None);
            Console.WriteLine(rest.Contains("--json") ? usage.ToJson() : usage.ToText());
            return 0;
        }
        catch (ServerUnavailableException e)
        {
            Console.Error.WriteLine(e.Message);
            return 1;
        }
    case ["billing", .. var rest] when rest.All(option => option is "--quick" or "--tiny" or "--json"):
        try
        {
            var billing = await BillingBench.RunAsync(rest.Contains("--tiny") ? BillingBenchSize.Tiny : rest.Contains("--quick") ? BillingBenchSize.Quick : BillingBenchSize.Full, CancellationToken.None);
            Console.WriteLine(rest.Contains("--json") ? billing.ToJson() : billing.ToText());
            return 0;
        }
        catch (ServerUnavailableException e)
        {
            Console.Error.WriteLine(e.Message);
            return 1;
        }
    case [Peers.Word, .. var ports]:
        await Peers.ServeAsync(ports);
        return 0;
    default:
        Console.Error.WriteLine("usage: Bench menu [--quick] [--json] | Bench adapt [--quick] [--json] | Bench usage [--quick | --tiny] [--json] | Bench billing [--quick | --tiny] [--json]");
        return 2;
}
