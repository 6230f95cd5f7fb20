using System.Text.Json;
using static Cli.Tests.ImportCommandTests;

namespace Cli.Tests;

/// <summary>What an import writes over, and what two of them do at once.</summary>
public sealed class ImportUpdateTests
{
    private const string Acme = """
        reference,currency,name,email,line1,line2,postalCode,city,country,taxId,taxCountry,taxRegion,taxStatus
        acme,USD,Acme Inc.,ap@acme.example,1 Main Street,Floor 2,94105,San Francisco,US,ATU12345678,US,CA,business

        """;

    [Fact]
    public async Task Only_what_the_file_says_is_written_over()
    {
        await using var running = await RunningBilling.StartAsync();
        using var folder = new TemporaryFolder();
        async Task<string> After(string file, string text, int exit = 0)
        {
            var (code, output, _) = await running.Billing("import", "customers", folder.Write(file, text), "--update");
            Assert.Equal((exit, output), (code, output));
            var id = Json(await running.Billing("customer", "list", "--json")).GetProperty("customers")[0].GetProperty("customerId").GetString()!;
            var customer = Json(await running.Billing("customer", "show", id, "--json"));
            var (d, t) = (customer.GetProperty("details"), customer.GetProperty("tax"));
            return string.Join('|', new[] { "name", "email", "lines", "postalCode", "city", "country", "taxId" }.Select(n => Text(d, n)).Concat(new[] { "country", "region", "status" }.Select(n => Text(t, n))));
        }
        static string Text(JsonElement of, string name) => !of.TryGetProperty(name, out var value) ? "" : value.ValueKind == JsonValueKind.Array ? string.Join(", ", value.EnumerateArray()) : value.ToString();

        const string Rest = "|1 Main Street, Floor 2|94105|San Francisco|US|ATU12345678|US|CA|business";
        Assert.Equal("Acme Inc.|ap@acme.example" + Rest, await After("all.csv", Acme));
        Assert.Equal("Acme Corp.|ap@acme.example" + Rest, await After("name.csv", "reference,currency,name\nacme,USD,Acme Corp.\n"));
        Assert.Equal("Acme Corp.|ap@acme.example" + Rest, await After("name.json", """[{"reference": "acme", "currency": "USD", "name": "Acme Corp."}]"""));
        Assert.Equal("Acme Corp.|ap@acme.example" + Rest.Replace("business", "exempt", StringComparison.Ordinal), await After("status.csv", "reference,currency,taxStatus\nacme,USD,exempt\n"));
        // What is said to be nothing is taken away, and a region with its country; a name is needed.
        Assert.Equal("Acme Corp.||1 Main Street|94105|San Francisco|US|ATU12345678|US|CA|exempt", await After("none.csv", "reference,currency,email,line2\nacme,USD,,\n"));
        Assert.Equal("Acme Corp.||1 Main Street|94105|San Francisco|US||DE||exempt", await After("none.json", """[{"reference": "acme", "currency": "USD", "taxId": null, "taxCountry": "DE"}]"""));
        Assert.Equal("Acme Corp.||1 Main Street|94105|San Francisco|US||DE||exempt", await After("nameless.csv", "reference,currency,name\nacme,USD,\n", exit: 1));

        // A time zone too can be said to be another, and not to be none; without --update it is not spoken of.
        const string Zoneless = "reference,currency,timeZone\nacme,USD,\n";
        Task<(int Exit, string Output, string Error)> Import(string file, string text, params string[] more) => running.Billing(["import", "customers", folder.Write(file, text), .. more]);
        Assert.Equal(0, (await Import("zoneless.csv", Zoneless, "--update")).Exit);
        Assert.Equal(0, (await Import("zone.csv", "reference,currency,timeZone\nacme,USD,Europe/Berlin\n", "--update")).Exit);
        foreach (var (file, text) in new[] { ("zoneless.csv", Zoneless), ("zoneless.json", """[{"reference": "acme", "currency": "USD", "timeZone": null}]""") })
            Assert.Equal(
                "its timeZone is empty: the customer has Europe/Berlin, which can be changed and not taken away",
                Assert.Single(Json(await Import(file, text, "--update", "--json"), 1).GetProperty("faults").EnumerateArray()).GetProperty("problem").GetString());
        Assert.Equal(0, (await Import("zoneless.csv", Zoneless)).Exit);
    }

    [Fact]
    public async Task Two_imports_of_one_file_at_once_do_what_one_does()
    {
        await using var running = await RunningBilling.StartAsync(plans: RunningBilling.SmallAndLarge);
        using var folder = new TemporaryFolder();
        var file = folder.Write("new.csv", "reference,currency,name,plan,credit,prepaidTokens\n" + string.Concat(Enumerable.Range(1, 20).Select(n => $"c{n},USD,Customer {n},Small,5.00,1000\n")));
        var both = await Task.WhenAll(Enumerable.Range(0, 2).Select(_ => running.Billing("import", "customers", file, "--menu", RunningBilling.Menu, "--reason", "we moved")));
        Assert.All(both, b => Assert.Equal((0, ""), (b.Exit, b.Error)));
        var customers = Json(await running.Billing("customer", "list", "--json")).GetProperty("customers").EnumerateArray().ToArray();
        Assert.Equal((20, 20), (customers.Length, customers.Select(c => c.GetProperty("reference").GetString()).Distinct().Count()));
        Assert.Equal(20, Json(await running.Billing("subscription", "list", "--json")).GetProperty("subscriptions").GetArrayLength());
        Assert.Equal(2, Json(await running.Billing("account", "show", customers[7].GetProperty("customerId").GetString()!, "--json")).GetProperty("credit").GetArrayLength());
    }

    /// <summary>docs/imports.md, as it stands there: the file, what the dry run says of it, and what is wrong without a currency.</summary>
    [Fact]
    public async Task The_example_of_the_manual_is_what_it_says()
    {
        await using var running = await RunningBilling.StartAsync(plans: RunningBilling.SmallAndLarge);
        using var folder = new TemporaryFolder();
        var blocks = File.ReadAllText(Path.Combine(Checkout.Root, "docs", "imports.md")).Split("```\n");
        var csv = Assert.Single(blocks, b => b.StartsWith("reference,currency,", StringComparison.Ordinal));
        Task<(int Exit, string Output, string Error)> Import(string text, params string[] more) => running.Billing(["import", "customers", folder.Write("customers.csv", text), "--menu", RunningBilling.Menu, .. more, "--reason", "we moved"]);

        Assert.Contains((await Import(csv, "--dry-run")).Output, blocks);
        var faulty = (await Import(csv.Replace("bert,USD,", "bert,,", StringComparison.Ordinal))).Output;
        var told = Assert.Single(blocks, b => b.Contains("what is wrong", StringComparison.Ordinal));
        Assert.Equal(Words(told), Words(faulty));
        Assert.Equal(0, (await Import(csv)).Exit);
        var subscription = Assert.Single(Json(await running.Billing("subscription", "list", "--json")).GetProperty("subscriptions").EnumerateArray());
        Assert.Equal(("2026-01-14T23:00:00+00:00", "2026-01-14T23:00:00+00:00"), (subscription.GetProperty("trialEnd").GetString(), subscription.GetProperty("currentPeriod").GetProperty("end").GetString()));

        // However wide the terminal is.
        static string[] Words(string table) => [.. table.Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries).Where(w => w.Trim('─').Length > 0)];
    }
}
