using System.Text.Json;

namespace Cli.Tests;

/// <summary>billing customer and billing subscription against a billing service that runs.</summary>
public sealed class SubscriptionCommandTests
{
    private static readonly string Acme = Ids.Derive(Ids.Customer, RunningBilling.Jan1, "acme"), Theirs = Ids.Derive(Ids.Subscription, RunningBilling.Jan1, "acme");

    [Fact]
    public async Task A_subscription_is_started_previewed_changed_and_ended_from_the_command_line()
    {
        await using var running = await RunningBilling.StartAsync(plans: RunningBilling.SmallAndLarge);
        var (menu, small, large) = (RunningBilling.Menu, RunningBilling.Small, RunningBilling.Large);
        Task<(int Exit, string Output, string Error)> Billing(params string[] args) => running.Billing(args);

        Assert.Equal("acme", Json(await running.BillingApart("customer", "create", "--currency", "USD", "--reference", "acme", "--id", Acme, "--json")).GetProperty("reference").GetString());
        Assert.Equal(0, (await Billing("customer", "details", Acme, "--name", "Acme [GmbH]", "--line", "Ringstraße 1", "--city", "Berlin")).Exit);
        var started = Json(await Billing("subscription", "start", "--customer", Acme, "--menu", menu, "--plan", small, "--id", Theirs, "--json"));
        Assert.Equal("active", started.GetProperty("status").GetString());

        string[] toLarge = ["subscription", "change", Theirs, "--plan", large, "--now"];
        var previews = await Task.WhenAll(Billing([.. toLarge, "--preview", "--json"]), Billing([.. toLarge, "--preview"]));
        Assert.Equal(31_000_000, Json(previews[0]).GetProperty("differenceMicros").GetInt64());
        Assert.Contains("changes by 31.00 USD", previews[1].Output, StringComparison.Ordinal);
        Assert.Equal(large, Json(await Billing([.. toLarge, "--json"])).GetProperty("planId").GetString());

        string[] rest = ["subscription", "pause", Theirs, "--now", "--until", "2026-01-11"];
        // Of 41.00 for 31 days, 10 rest.
        var resting = await Task.WhenAll(Billing([.. rest, "--preview", "--json"]), Billing([.. rest, "--preview"]));
        Assert.Contains("2026-01-01 to 2026-01-10, paused", resting[1].Output, StringComparison.Ordinal);
        Assert.Contains("2026-01-11 to 2026-01-31", resting[1].Output, StringComparison.Ordinal);
        Assert.Equal(-13_230_000, Json(resting[0]).GetProperty("differenceMicros").GetInt64());
        Assert.Contains("paused since 2026-01-01 until 2026-01-11", (await Billing(rest)).Output, StringComparison.Ordinal);
        var twice = await Billing("subscription", "pause", Theirs, "--now");
        Assert.Contains("(subscription_paused); use: billing subscription resume SUBSCRIPTION", twice.Error, StringComparison.Ordinal);
        Assert.Equal("active", Json(await Billing("subscription", "resume", Theirs, "--json")).GetProperty("status").GetString());
        Assert.Contains("active, pauses 2026-02-01", (await Billing("subscription", "pause", Theirs)).Output, StringComparison.Ordinal);

        Assert.Contains("active, ends 2026-02-01", (await Billing("subscription", "cancel", Theirs)).Output, StringComparison.Ordinal);

        var after = await Task.WhenAll(
            Billing("subscription", "list"), Billing("customer", "show", Acme), Billing("subscription", "change", Theirs, "--plan", small),
            Billing("customer", "erase", Acme), Billing("customer", "show", Ids.Derive(Ids.Customer, RunningBilling.Jan1, "nobody")));
        Assert.Equal([0, 0, 1, 1, 1], after.Select(r => r.Exit));
        Assert.Contains("active, ends 2026-02-01", after[0].Output, StringComparison.Ordinal);
        Assert.Contains("Acme [GmbH]", after[1].Output, StringComparison.Ordinal);
        Assert.Equal(["", "", ""], after[2..].Select(r => r.Output));
        Assert.Contains("(cancellation_scheduled); withdraw it with: billing subscription keep", after[2].Error, StringComparison.Ordinal);
        Assert.Contains($"billing customer erase {Acme} --yes", after[3].Error, StringComparison.Ordinal);
        Assert.Contains("billing customer list", after[4].Error, StringComparison.Ordinal);
    }

    private static JsonElement Json((int Exit, string Output, string Error) result)
    {
        Assert.Equal((0, ""), (result.Exit, result.Error));
        return JsonDocument.Parse(result.Output).RootElement;
    }
}
