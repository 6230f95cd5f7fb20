using System.Text.Json;

namespace PlanDesign.ReferenceCases;

/// <summary>
/// A small screening problem with its exact optimum, computed by an independent implementation. The lengths of azure-2023-conversation are those of
/// the Azure LLM inference trace 2023 (Azure Public Dataset, CC BY 4.0; P. Patel and others, "Splitwise", ISCA 2024).
/// </summary>
public sealed record ReferenceCase(string Name, Market Market, double ProfitUnlimitedTiers, IReadOnlyDictionary<int, double> ProfitByTierCount)
{
    public static IReadOnlyList<ReferenceCase> All { get; } = Load();

    public static Market MarketOf(string name) => All.Single(c => c.Name == name).Market;

    private static ReferenceCase[] Load()
    {
        using var stream = typeof(ReferenceCase).Assembly.GetManifestResourceStream("menu-cases.json")!;
        using var document = JsonDocument.Parse(stream);
        return [.. document.RootElement.GetProperty("cases").EnumerateArray().Select(Read)];
    }

    private static ReferenceCase Read(JsonElement e)
    {
        var reading = MarketJson.Read(e.GetProperty("input"));
        Assert.Null(reading.Fault);
        var expected = e.GetProperty("expected");
        return new(e.GetProperty("name").GetString()!, reading.Market!, expected.GetProperty("profitUnlimitedTiers").GetDouble(),
            expected.GetProperty("profitByTierCount").EnumerateObject().ToDictionary(p => int.Parse(p.Name), p => p.Value.GetDouble()));
    }
}
