using Bench;

// Usage: Bench menu [--quick] | Bench adapt [--quick] [--json]
switch (args)
{
    case ["menu", .. var rest] when rest.All(option => option is "--quick" or "--json"):
        Console.WriteLine(MenuBench.Run(rest.Contains("--quick")).ToJson());
        return 0;
    case ["adapt", .. var rest] when rest.All(option => option is "--quick" or "--json"):
        var years = AdaptBench.Run(rest.Contains("--quick") ? 2 : 10);
        Console.WriteLine(rest.Contains("--json") ? years.ToJson() : years.ToText());
        return 0;
    default:
        Console.Error.WriteLine("usage: Bench menu [--quick] [--json] | Bench adapt [--quick] [--json]");
        return 2;
}
