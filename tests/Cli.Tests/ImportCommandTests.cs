using System.Text.Json;
using Billing.Menus;
using Grpc.Core;
using Hosting;

namespace Cli.Tests;

/// <summary>billing import against a billing service that runs.</summary>
public sealed class ImportCommandTests
{
    private const string Good = """
        reference,currency,name,line1,Postal Code,city,time_zone,taxCountry,taxStatus,plan,anchorDay,credit,creditName,creditExpires,prepaidTokens,prepaidKinds
        acme,USD,"Acme, ""the"" GmbH",Ringstraße 1,10115,Berlin,Europe/Berlin,DE,business,Small,15,120.50,Balance of the old system,2027-01-01,,
        bert,USD,Bert,,,,,,,,,,,,500000,input; output
        cleo,EUR,,,,,,,,,,7,,2026-06-01,,

        """;

    private const string Faulty = """
        reference,currency,name,timeZone,taxCountry,taxStatus,plan,anchorDay,credit,prepaidTokens,prepaidKinds,prepaidExpires
        acme,USD,Acme,Europe/Berlin,DE,business,Small,15,1.00,,,
        ,USD,Nobody,,,,,,,,,
        acme,USD,Acme,,,,,,,,,
        dora,XXQ,Dora,,,,,,,,,
        eve,USD,,Mars/Olympus,Germany,private,Medium,32,12.345,0,,
        fritz,EUR,Fritz,,,,Small,,-3,9,thoughts,tomorrow
        gina,USD,Gina,,,,,4,,,output,
        hugo,USD

        "ida,USD
        jan,XXQ,Jan,Mars/Olympus,,,Medium,,-1,1.5,,

        """;

    [Fact]
    public async Task Customers_are_brought_over_once_however_often_their_file_is_imported()
    {
        await using var running = await RunningBilling.StartAsync(plans: RunningBilling.SmallAndLarge);
        using var folder = new TemporaryFolder();
        var (good, faulty, json) = (folder.Write("good.csv", Good), folder.Write("faulty.csv", Faulty), folder.Write("more.json", """[{"reference": "acme", "currency": "USD", "name": "Acme AG"}, {"reference": "ivo", "currency": "USD", "credit": 2.5}, {"reference": "kim", "currency": {"code": "USD"}}]"""));
        Task<(int Exit, string Output, string Error)> Import(string file, params string[] more) => running.Billing(["import", "customers", file, .. more, "--reason", "we moved"]);
        string[] menu = ["--menu", RunningBilling.Menu];

        // Every faulty row is named, with all that is wrong with it; and nothing is done.
        var faults = Json(await Import(faulty, [.. menu, "--json"]), 1);
        Assert.False(faults.GetProperty("done").GetBoolean());
        var told = faults.GetProperty("faults").EnumerateArray().Select(f => $"{f.GetProperty("row")} {f.GetProperty("reference")}: {f.GetProperty("problem")}").ToArray();
        string[] expected =
        [
            "3 : it has no reference", "4 acme: row 2 has this reference too", "5 dora: 'XXQ' is not an ISO 4217 currency", "6 eve: 'Mars/Olympus' is not an IANA time zone",
            "6 eve: taxStatus: 'private' is not one of consumer, business, exempt", "6 eve: anchorDay '32' is not a whole number from 1 to 31", "6 eve: 'Medium' is not a plan of the menu",
            "7 fritz: it is billed in EUR, and the menu is priced in USD", "7 fritz: credit '-3' is not an amount", "8 gina: it has an anchorDay, trialDays or paidUntil, and no plan", "9 : it has 2 fields, and the header 12", "11 : a quote does not end",
            "12 jan: 'XXQ' is not an ISO 4217 currency", "12 jan: 'Mars/Olympus' is not an IANA time zone", "12 jan: 'Medium' is not a plan of the menu", "12 jan: credit '-1' is not an amount",
            "12 jan: prepaidTokens '1.5' is not a whole number", "6 eve: a grant has at least one token", "7 fritz: prepaidKinds: ", "7 fritz: prepaidExpires 'tomorrow' is not a time", "8 gina: it has prepaidKinds, a prepaidName or prepaidExpires, and no prepaidTokens",
        ];
        Assert.Single(told, t => t.Contains("a quote does not end", StringComparison.Ordinal));
        foreach (var e in expected) Assert.Contains(told, t => t.StartsWith(e, StringComparison.Ordinal));
        Assert.DoesNotContain(told, t => t.StartsWith("2 ", StringComparison.Ordinal));
        Assert.Contains("it names a plan: say of which menu with --menu", (await Import(good)).Output, StringComparison.Ordinal);
        var dry = await Import(good, [.. menu, "--dry-run"]);
        Assert.Equal((0, "3 rows are good. It would be: 3 customers created, 0 there already, 1 subscriptions, 2 credits, 1 with prepaid tokens\n"), (dry.Exit, dry.Output));
        Assert.Empty(Json(await running.Billing("customer", "list", "--json")).GetProperty("customers").EnumerateArray());

        var first = Json(await Import(good, [.. menu, "--json"]));
        Assert.Equal((3, 0, 1, 2, """{"EUR":7000000,"USD":120500000}"""), (Count(first, "customersCreated"), Count(first, "customersThere"), Count(first, "subscriptions"), Count(first, "credits"), Micros(first)));
        Assert.Equal((1, 500_000), (Count(first, "prepaid"), Count(first, "prepaidTokens")));
        var again = Json(await Import(good, [.. menu, "--json"]));
        Assert.Equal((0, 3), (Count(again, "customersCreated"), Count(again, "customersThere")));
        // What is there is not counted as done a second time, nor as what would be.
        Assert.Equal((0, 0, "{}", 0, 0), (Count(again, "subscriptions"), Count(again, "credits"), Micros(again), Count(again, "prepaid"), Count(again, "prepaidTokens")));
        Assert.Equal((1, 2, 1), (Count(again, "subscriptionsThere"), Count(again, "creditsThere"), Count(again, "prepaidThere")));
        const string Nothing = "0 customers created, 3 there already, 0 subscriptions, 0 credits, 0 with prepaid tokens; there already: 1 subscriptions, 2 credits, 1 with prepaid tokens\n";
        Assert.Equal("3 rows are good. It would be: " + Nothing, (await Import(good, [.. menu, "--dry-run"])).Output);
        Assert.Equal("3 rows: " + Nothing, (await Import(good, menu)).Output);

        var customers = Json(await running.Billing("customer", "list", "--json")).GetProperty("customers").EnumerateArray().ToDictionary(c => c.GetProperty("reference").GetString()!, c => c.GetProperty("customerId").GetString()!);
        Assert.Equal(["acme", "bert", "cleo"], customers.Keys.Order());
        var subscription = Assert.Single(Json(await running.Billing("subscription", "list", "--json")).GetProperty("subscriptions").EnumerateArray());
        Assert.Equal((customers["acme"], RunningBilling.Small), (subscription.GetProperty("customerId").GetString(), subscription.GetProperty("planId").GetString()));
        // The fifteenth began at midnight in Berlin.
        Assert.Equal("2026-01-14T23:00:00+00:00", subscription.GetProperty("currentPeriod").GetProperty("end").GetString());
        var shown = (await running.Billing("customer", "show", customers["acme"])).Output;
        Assert.Contains("Acme, \"the\" GmbH", shown, StringComparison.Ordinal);
        Assert.Contains("Ringstraße 1, 10115 Berlin", shown, StringComparison.Ordinal);
        Assert.Contains("120.50", (await running.Billing("account", "show", customers["acme"])).Output, StringComparison.Ordinal);

        var prepaid = Assert.Single(Json(await running.Billing("account", "show", customers["bert"], "--json")).GetProperty("credit").EnumerateArray());
        Assert.Equal(("500000", "input output"), (prepaid.GetProperty("left").ToString(), string.Join(' ', prepaid.GetProperty("kinds").EnumerateArray())));

        // JSON: a faulty object is named by its place; mended, the others are done.
        Assert.Equal("currency is an object, where a text or a number is expected", Assert.Single(Json(await Import(json, "--json"), 1).GetProperty("faults").EnumerateArray()).GetProperty("problem").GetString());
        // It hides nothing else that is wrong with its row.
        var nested = Json(await Import(folder.Write("nested.json", """[{"reference": "kim", "currency": {"code": "USD"}, "credit": "x", "Credit": "1", "timeZone": ["Mars/Olympus"]}]"""), "--json"), 1);
        Assert.Equal(
            ["credit 'x' is not an amount such as 12.50", "currency is an object, where a text or a number is expected", "it has Credit twice", "timeZone is an array, where a text or a number is expected"],
            nested.GetProperty("faults").EnumerateArray().Select(f => f.GetProperty("problem").GetString()!).Order(StringComparer.Ordinal));
        // A field that nobody knows is a fault of its row, beside all the others.
        var odd = Json(await Import(folder.Write("odd.json", """[{"reference": "lea", "currency": "USD", "colour": "red"}, {"reference": "max", "currency": "XXQ"}, {"currency": "USD", "credit": "x", "shape": 1, "Reference": "noa"}]"""), "--json"), 1);
        Assert.Equal(3, Count(odd, "rows"));
        string[] oddities = ["1 lea: it has 'colour', which is not known", "2 max: 'XXQ' is not an ISO 4217 currency", "3 noa: it has 'shape', which is not known", "3 noa: credit 'x' is not an amount"];
        Assert.All(odd.GetProperty("faults").EnumerateArray().Select(f => $"{f.GetProperty("row")} {f.GetProperty("reference")}: {f.GetProperty("problem")}").Zip(oddities), f => Assert.StartsWith(f.Second, f.First, StringComparison.Ordinal));
        Assert.Equal(oddities.Length, odd.GetProperty("faults").GetArrayLength());
        var mended = folder.Write("mended.json", """[{"reference": "acme", "currency": "USD", "name": "Acme AG"}, {"reference": "ivo", "currency": "USD", "credit": 2.5}]""");
        var more = await Import(mended);
        Assert.Equal((0, "2 rows: 1 customers created, 1 there already, 0 subscriptions, 1 credits, 0 with prepaid tokens\n"), (more.Exit, more.Output));
        // What a customer has is kept, unless it is asked to be written over.
        Assert.DoesNotContain("Acme AG", (await running.Billing("customer", "show", customers["acme"])).Output, StringComparison.Ordinal);
        Assert.Equal(0, (await Import(mended, "--update")).Exit);
        Assert.Contains("Acme AG", (await running.Billing("customer", "show", customers["acme"])).Output, StringComparison.Ordinal);

        // Another plan, and a credit of another name, are the same subscription and the same credit: refused, and nobody pays or gets twice.
        var other = folder.Write("other.csv", Good.Replace(",Small,", ",Large,", StringComparison.Ordinal).Replace("Balance of", "Rest of", StringComparison.Ordinal));
        var refused = Json(await Import(other, [.. menu, "--json"]), 1);
        Assert.Equal(["acme", "acme"], refused.GetProperty("faults").EnumerateArray().Select(f => f.GetProperty("reference").GetString()));
        Assert.False(refused.GetProperty("done").GetBoolean());
        var moreTokens = folder.Write("tokens.csv", Good.Replace("500000", "600000", StringComparison.Ordinal));
        Assert.Equal("bert", Assert.Single(Json(await Import(moreTokens, [.. menu, "--json"]), 1).GetProperty("faults").EnumerateArray()).GetProperty("reference").GetString());
        Assert.Single(Json(await running.Billing("subscription", "list", "--json")).GetProperty("subscriptions").EnumerateArray());
        // Long after the credit ran out, the same file is still a repeat.
        Assert.Null(running.Get<BusinessClock>().MoveTo(RunningBilling.Jan1.AddMonths(13)));
        Assert.Equal(0, (await Import(good, menu)).Exit);
    }

    /// <summary>The menu goes off sale between check and import: a bookkeeper reconciles the move by what is said, and the credit is there.</summary>
    [Fact]
    public async Task What_was_done_of_a_row_that_was_refused_half_way_is_counted()
    {
        var meanwhile = new Meanwhile();
        await using var running = await RunningBilling.StartAsync(meanwhile, plans: RunningBilling.SmallAndLarge);
        using var folder = new TemporaryFolder();
        var file = folder.Write("half.csv", "reference,currency,plan,credit,prepaidTokens\nacme,USD,Small,5.00,700\nbert,USD,,2.50,\n");
        meanwhile.Before("Subscribe", () => running.Streams.Transact<MenuState, MenuEvent>(
            RunningBilling.Menu, MenuState.Initial, MenuState.Evolve, s => WithdrawMenuDecision.Decide(new(RunningBilling.Menu, "dearer", RunningBilling.Jan1), s), default));
        var half = Json(await running.Billing("import", "customers", file, "--menu", RunningBilling.Menu, "--json", "--reason", "we moved"), 1);
        Assert.Equal("acme", Assert.Single(half.GetProperty("faults").EnumerateArray()).GetProperty("reference").GetString());
        Assert.Equal(
            (2, 0, 2, """{"USD":7500000}""", 1, 700), (Count(half, "customersCreated"), Count(half, "subscriptions"), Count(half, "credits"), Micros(half), Count(half, "prepaid"), Count(half, "prepaidTokens")));
        // Without the plan all of it is there, and is not counted again.
        var again = await running.Billing("import", "customers", folder.Write("mended.csv", File.ReadAllText(file).Replace("Small", "", StringComparison.Ordinal)));
        Assert.Equal((0, "2 rows: 0 customers created, 2 there already, 0 subscriptions, 0 credits, 0 with prepaid tokens; there already: 0 subscriptions, 2 credits, 1 with prepaid tokens\n"), (again.Exit, again.Output));
    }

    /// <summary>The repeat counts only the rest.</summary>
    [Fact]
    public async Task What_was_done_before_billing_was_lost_is_counted()
    {
        var meanwhile = new Meanwhile();
        await using var running = await RunningBilling.StartAsync(meanwhile, plans: RunningBilling.SmallAndLarge);
        using var folder = new TemporaryFolder();
        var file = folder.Write("lost.csv", "reference,currency,plan,credit\nacme,USD,Small,5.00\n");
        Task Lost() => throw new RpcException(new(StatusCode.Unavailable, "shutting down"));
        string[] import = ["import", "customers", file, "--menu", RunningBilling.Menu, "--reason", "we moved"];
        meanwhile.Before("GrantMoneyCredit", Lost);
        var told = await running.Billing(import);
        Assert.Equal(
            (1, "it broke off. Of 1 rows billing confirmed: 1 customers created, 0 there already, 0 subscriptions, 0 credits, 0 with prepaid tokens; what was on its way may be done too. Run it again, what is done is recognised\n"),
            (told.Exit, told.Output));
        Assert.Contains("billing does not answer", told.Error, StringComparison.Ordinal);
        meanwhile.Before("Subscribe", Lost);
        var half = await running.Billing([.. import, "--json"]);
        var figures = JsonDocument.Parse(half.Output).RootElement;
        Assert.Equal(
            (1, false, 0, 1, 1, """{"USD":5000000}""", 0),
            (half.Exit, figures.GetProperty("done").GetBoolean(), Count(figures, "customersCreated"), Count(figures, "customersThere"), Count(figures, "credits"), Micros(figures), Count(figures, "subscriptions")));
        var again = await running.Billing(import);
        Assert.Equal((0, "1 rows: 0 customers created, 1 there already, 1 subscriptions, 0 credits, 0 with prepaid tokens; there already: 0 subscriptions, 1 credits, 0 with prepaid tokens\n"), (again.Exit, again.Output));
    }

    /// <summary>What is there is looked at before anything is done, not when it is refused or passed over.</summary>
    [Fact]
    public async Task A_dry_run_names_what_a_repeat_would_not_do()
    {
        await using var running = await RunningBilling.StartAsync(plans: RunningBilling.SmallAndLarge);
        using var folder = new TemporaryFolder();
        const string Header = "reference,currency,timeZone,plan,anchorDay,trialDays,credit,creditExpires,prepaidTokens\n", Acme = "acme,USD,Europe/Berlin,Small,15,14,5.00,2026-06-01,500\n", Bert = "bert,USD,,,,,,,\n";
        Assert.Equal(0, (await running.Billing("import", "customers", folder.Write("first.csv", Header + Acme + Bert), "--menu", RunningBilling.Menu, "--reason", "we moved")).Exit);

        async Task<string[]> Faults(string row) => [.. Json(await running.Billing("import", "customers", folder.Write("again.csv", Header + row), "--menu", RunningBilling.Menu, "--dry-run", "--json"), row is Acme or Bert ? 0 : 1)
            .GetProperty("faults").EnumerateArray().Select(f => f.GetProperty("problem").GetString()!)];
        Assert.Empty(await Faults(Acme));
        Assert.Empty(await Faults(Bert));
        (string From, string To, string Said)[] others =
        [
            (",Small,", ",Large,", "exists for another customer or plan"), (",15,", ",16,", "its periods turn on day 15 of the month"), (",15,", ",,", "its periods turn on day 15 of the month"),
            (",14,", ",,", "its trial ends 2026-01-15 00:00:00"), (",5.00,", ",6.00,", "a grant with this id exists"), ("06-01", "07-01", "a grant with this id exists"), (",500\n", ",600\n", "a grant with this id exists"),
        ];
        foreach (var (from, to, said) in others) Assert.Contains(said, Assert.Single(await Faults(Acme.Replace(from, to, StringComparison.Ordinal))), StringComparison.Ordinal);
        // Whoever is there without the credit would get it now, when it is over.
        Assert.Contains("2025-12-01", Assert.Single(await Faults("bert,USD,,,,,5.00,2025-12-01,\n")), StringComparison.Ordinal);
    }

    /// <summary>What docs/imports.md works: Acme has paid the old system up to the fifteenth of January, in Berlin, and moves on the first, at some hour.</summary>
    [Fact]
    public async Task What_was_paid_elsewhere_is_not_charged_and_the_day_after_it_is()
    {
        await using var running = await RunningBilling.StartAsync(plans: RunningBilling.SmallAndLarge);
        using var folder = new TemporaryFolder();
        Assert.Null(running.Get<BusinessClock>().MoveTo(RunningBilling.Jan1.AddHours(9.7)));
        async Task<string[]> Faults(string trial, string paidUntil) => [.. Json(await Import(trial, paidUntil, "--dry-run"), 1).GetProperty("faults").EnumerateArray().Select(f => f.GetProperty("problem").GetString()!)];
        Task<(int Exit, string Output, string Error)> Import(string trial, string paidUntil, params string[] more) => running.Billing(
            ["import", "customers", folder.Write("paid.csv", $"reference,currency,timeZone,plan,anchorDay,trialDays,paidUntil\nacme,USD,Europe/Berlin,Small,15,{trial},{paidUntil}\n"), "--menu", RunningBilling.Menu, "--json", .. more]);
        Assert.Equal(["paidUntil '15.1.2026' is not a day such as 2026-01-31"], await Faults("", "15.1.2026"));
        Assert.Contains("say one of them", Assert.Single(await Faults("14", "2026-01-15")), StringComparison.Ordinal);
        Assert.Contains("is paid to a day that begins after now", Assert.Single(await Faults("", "2026-01-01")), StringComparison.Ordinal);

        Assert.Equal(1, Count(Json(await Import("", "2026-01-15")), "subscriptions"));
        var subscription = Assert.Single(Json(await running.Billing("subscription", "list", "--json")).GetProperty("subscriptions").EnumerateArray());
        Assert.Equal(("trialing", "2026-01-14T23:00:00+00:00", "2026-01-14T23:00:00+00:00"), (subscription.GetProperty("status").GetString(), subscription.GetProperty("trialEnd").GetString(), subscription.GetProperty("currentPeriod").GetProperty("end").GetString()));
        // Later, and after it is over, the same row is a repeat and another day is not.
        Assert.Null(running.Get<BusinessClock>().MoveTo(RunningBilling.Jan1.AddMonths(1)));
        Assert.Equal(0, (await Import("", "2026-01-15")).Exit);
        Assert.Contains("its trial ends 2026-01-14 23:00:00", Assert.Single(await Faults("", "2026-02-15")), StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_customer_has_a_row_for_each_of_its_subscriptions()
    {
        await using var running = await RunningBilling.StartAsync(plans: RunningBilling.SmallAndLarge);
        using var folder = new TemporaryFolder();
        const string Header = "reference,currency,name,timeZone,subscription,plan,anchorDay,credit,creditExpires,prepaidTokens\n",
            First = "acme,USD,Acme,Europe/Berlin,,Small,15,120.50,,\n", Others = "acme,,,,second,Large,1,5.00,2026-06-01,500\nacme,USD,Acme,,third,,,3.00,,\n";
        Task<(int Exit, string Output, string Error)> Import(string rows, params string[] more) => running.Billing(["import", "customers", folder.Write("several.csv", Header + rows), "--menu", RunningBilling.Menu, .. more, "--reason", "we moved"]);

        var faults = Json(await Import(First + "acme,EUR,,Asia/Tokyo,second,Large,,,,\nacme,,,,second,Small,,,,\nacme,,,,,Small,,,,\n", "--dry-run", "--json"), 1).GetProperty("faults").EnumerateArray().Select(f => $"{f.GetProperty("row")} {f.GetProperty("problem")}");
        Assert.Equal(
            [
                "3 its currency is 'EUR', and on row 2, the first of this customer, 'USD'", "3 its timeZone is 'Asia/Tokyo', and on row 2, the first of this customer, 'Europe/Berlin'",
                "4 row 3 has this reference and subscription too: of a customer's rows each names another subscription", "5 row 2 has this reference too: of a customer's rows each names another subscription",
            ], faults);
        const string Said = "1 customers created, 0 there already, 2 subscriptions, 3 credits, 1 with prepaid tokens\n";
        Assert.Equal((0, "3 rows are good. It would be: " + Said), (await Import(First + Others, "--dry-run")) switch { var (exit, output, _) => (exit, output) });
        Assert.Equal((0, "3 rows: " + Said), (await Import(First + Others)) switch { var (exit, output, _) => (exit, output) });
        // Each row is known by its own key, in whatever file it stands.
        foreach (var again in new[] { First, First + Others, "acme,USD,,,third,,,3.00,,\n" }) Assert.Equal(0, (await Import(again)).Exit);
        Assert.Contains("exists for another customer or plan", (await Import(First + Others.Replace("Large", "Small", StringComparison.Ordinal), "--dry-run")).Output.ReplaceLineEndings(" "), StringComparison.Ordinal);

        var subscriptions = Json(await running.Billing("subscription", "list", "--json")).GetProperty("subscriptions").EnumerateArray().ToArray();
        Assert.Equal(
            [("2026-01-14T23:00:00+00:00", RunningBilling.Small), ("2026-01-31T23:00:00+00:00", RunningBilling.Large)],
            subscriptions.Select(s => (s.GetProperty("currentPeriod").GetProperty("end").GetString(), s.GetProperty("planId").GetString())).Order());
        var customer = Assert.Single(subscriptions.Select(s => s.GetProperty("customerId").GetString()!).Distinct());
        Assert.Equal([3_000_000, 500, 5_000_000, 120_500_000], Json(await running.Billing("account", "show", customer, "--json")).GetProperty("credit").EnumerateArray().Select(g => long.Parse(g.GetProperty("left").ToString(), System.Globalization.CultureInfo.InvariantCulture)).OrderBy(m => m is 3_000_000 ? 0 : m));
    }

    [Theory]
    [InlineData("", "is empty")]
    [InlineData("reference,currency,colour\na,USD,red\n", "has a column 'colour' that is not known")]
    [InlineData("reference,reference\na,b\n", "has the column reference twice")]
    [InlineData("[{", "is not JSON")]
    public async Task A_file_that_cannot_be_meant_is_refused_in_one_line(string text, string said)
    {
        using var folder = new TemporaryFolder();
        var answer = await BillingProcess.Run("", "import", "customers", folder.Write("file", text), "--billing", "http://127.0.0.1:9");
        Assert.Equal((1, ""), (answer.Exit, answer.Output));
        Assert.Contains(said, answer.Error, StringComparison.Ordinal);
        Assert.Single(answer.Error.Trim().Split('\n'));
    }

    [Fact]
    public async Task A_file_in_another_encoding_is_refused_rather_than_imported_damaged()
    {
        using var folder = new TemporaryFolder();
        var file = folder.Write("file.csv", "");
        await File.WriteAllBytesAsync(file, [.. "reference,currency,name\nacme,USD,Ringstra"u8, 0xDF, .. "e\n"u8]);
        var answer = await BillingProcess.RunApart("", "import", "customers", file, "--billing", "http://127.0.0.1:9");
        Assert.Equal((1, ""), (answer.Exit, answer.Output));
        Assert.Contains("is not UTF-8 text: save it as UTF-8", answer.Error, StringComparison.Ordinal);
    }

    internal static JsonElement Json((int Exit, string Output, string Error) result, int exit = 0)
    {
        Assert.Equal((exit, ""), (result.Exit, result.Error));
        return JsonDocument.Parse(result.Output).RootElement;
    }

    private static string Micros(JsonElement figures) => JsonSerializer.Serialize(figures.GetProperty("creditMicros"));

    private static long Count(JsonElement figures, string name) => figures.GetProperty(name).GetInt64();

    internal sealed class TemporaryFolder : IDisposable
    {
        private readonly string _path = Directory.CreateTempSubdirectory("billing-import-").FullName;

        public string Write(string name, string text)
        {
            var path = Path.Combine(_path, name);
            File.WriteAllText(path, text);
            return path;
        }

        public void Dispose() => Directory.Delete(_path, recursive: true);
    }
}
