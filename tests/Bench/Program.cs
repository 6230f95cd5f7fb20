using Bench;

// Usage: Bench menu [--quick]
if (args is not ["menu", .. var rest] || rest.Any(option => option is not ("--quick" or "--json")))
{
    Console.Error.WriteLine("usage: Bench menu [--quick] [--json]");
    return 2;
}
Console.WriteLine(MenuBench.Run(rest.Contains("--quick")).ToJson());
return 0;
