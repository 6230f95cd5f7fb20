using System.Text.Json;
using Hosting;
using Microsoft.AspNetCore.Builder;

namespace Cli.Tests;

/// <summary>billing key, as a process. Every service offers the same, so one that runs stands for all three.</summary>
public sealed class KeyCommandTests
{
    [Fact]
    public async Task Keys_are_made_shown_once_listed_and_revoked_from_the_command_line()
    {
        var none = new Dictionary<string, string?> { ["BILLING_API_KEY"] = null };
        var first = await DotnetProcess.RunAsync(BillingProcess.Dll, none, "", "key", "create", "--name", "operator", "--scope", "admin", "--offline");
        Assert.Equal(0, first.Exit);
        var (admin, entry) = first.Output.Split('\n') is [var text, var line, ""] ? (text, line) : throw new InvalidOperationException(first.Output);
        Assert.Equal($"operator:admin:{AccessKey.Sha256Of(admin)}", entry);

        await using var host = await StartedAsync(entry);
        var there = host.Endpoints().Grpc.ToString();
        Task<(int Exit, string Output, string Error)> Billing(string? key, params string[] args) => DotnetProcess.RunAsync(
            BillingProcess.Dll, new Dictionary<string, string?> { ["BILLING_API_KEY"] = key, ["USAGE_ADDRESS"] = there, ["BILLING_ADDRESS"] = there, ["PLAN_DESIGN_ADDRESS"] = there }, "", args);

        var strangers = await Billing(null, "key", "list");
        Assert.Equal(1, strangers.Exit);
        Assert.Contains("needs an API key", strangers.Error, StringComparison.Ordinal);

        var made = await Billing(admin, "key", "create", "--name", "dashboards", "--scope", "finance", "auditor", "--json", "--reason", "a test");
        Assert.Equal((0, ""), (made.Exit, made.Error));
        var key = JsonDocument.Parse(made.Output).RootElement;
        var (id, secret) = (key.GetProperty("keyId").GetString()!, key.GetProperty("key").GetString()!);
        Assert.StartsWith("bk_live_", secret, StringComparison.Ordinal);
        Assert.Equal(0, (await Billing(secret, "usage", "aggregate", "--from", "2026-01-01", "--to", "2026-02-01")).Exit);

        var listed = await Billing(admin, "key", "list");
        Assert.Contains("dashboards", listed.Output, StringComparison.Ordinal);
        Assert.DoesNotContain(secret, listed.Output, StringComparison.Ordinal);
        var wrong = await Billing(admin, "key", "create", "--name", "eve", "--scope", "root", "--reason", "a test");
        Assert.Equal((1, "billing: 'root' is not a scope: expected one or more of runtime, analyst, finance, payments, auditor, customer, service, admin\n"), (wrong.Exit, wrong.Error));

        Assert.Equal((0, $"{id} is revoked\n"), ((await Billing(admin, "key", "revoke", id, "--reason", "a test")) is var r ? (r.Exit, r.Output) : default));
        Assert.Equal(1, (await Billing(secret, "usage", "aggregate", "--from", "2026-01-01", "--to", "2026-02-01")).Exit);
        var again = JsonDocument.Parse((await Billing(admin, "key", "revoke", id, "--json", "--reason", "a test")).Output).RootElement;
        Assert.Equal((id, true, "plan-design,usage,billing"), (again.GetProperty("keyId").GetString(), again.GetProperty("revoked").GetBoolean(), string.Join(',', again.GetProperty("services").EnumerateArray().Select(s => s.GetString()))));
        Assert.Equal(1, (await Billing(admin, "key", "revoke", "key_019b76daa8007000800000000000000a", "--reason", "a test")).Exit);
    }

    [Fact]
    public async Task A_key_that_one_service_still_lets_in_is_not_shown_as_revoked()
    {
        var admin = AccessKey.NewText();
        var entry = $"operator:admin:{AccessKey.Sha256Of(admin)}";
        await using var one = await StartedAsync(entry);
        await using var other = await StartedAsync(entry);
        Task<(int Exit, string Output, string Error)> Billing(Uri usage, params string[] args) => DotnetProcess.RunAsync(
            BillingProcess.Dll, new Dictionary<string, string?> { ["BILLING_API_KEY"] = admin, ["USAGE_ADDRESS"] = $"{usage}", ["BILLING_ADDRESS"] = $"{one.Endpoints().Grpc}", ["PLAN_DESIGN_ADDRESS"] = $"{one.Endpoints().Grpc}" }, "", args);
        async Task<(string? Revoked, string LetInBy)> ListedAsync(string id)
        {
            var key = JsonDocument.Parse((await Billing(other.Endpoints().Grpc, "key", "list", "--all", "--json")).Output).RootElement.GetProperty("keys").EnumerateArray().Single(k => k.GetProperty("keyId").GetString() == id);
            return (key.GetProperty("revoked").GetString(), string.Join(',', key.GetProperty("letInBy").EnumerateArray()));
        }

        var made = JsonDocument.Parse((await Billing(other.Endpoints().Grpc, "key", "create", "--name", "dashboards", "--scope", "finance", "--json", "--reason", "a test")).Output).RootElement;
        var id = made.GetProperty("keyId").GetString()!;
        Assert.Equal(("", "plan-design,usage,billing"), await ListedAsync(id));

        Assert.Equal(0, (await Billing(one.Endpoints().Grpc, "key", "revoke", id, "--reason", "a test")).Exit);
        Assert.Equal(("", "usage"), await ListedAsync(id));
        Assert.Contains("not by usage", (await Billing(other.Endpoints().Grpc, "key", "list", "--all")).Output, StringComparison.Ordinal);

        Assert.Equal(0, (await Billing(other.Endpoints().Grpc, "key", "revoke", id, "--reason", "a test")).Exit);
        var (revoked, letInBy) = await ListedAsync(id);
        Assert.Matches("^[0-9]{4}-[0-9]{2}-[0-9]{2}$", revoked);
        Assert.Equal("", letInBy);
    }

    private static Task<WebApplication> StartedAsync(string entry) => StartedHost.OfUsage(new() { ["Access:Mode"] = "Keys", ["Access:Keys:0"] = entry });
}
