using System.Text.Json;
using Grpc.Core;
using Grpc.Net.Client;
using Hosting;
using LocalServers;
using PlanDesign.Host;
using Usage.Host;

namespace Cli.Tests;

/// <summary>What plan design and its neighbours refuse, at the terminal.</summary>
public sealed class MenuRefusedTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("menu-refused-").FullName;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Fact]
    public async Task A_refusal_names_the_draft_that_stands_and_the_service_that_refused()
    {
        var (database, broker) = (await Servers.CreateDatabaseAsync(), await Servers.CreateVirtualHostAsync());
        // Usage asks for keys, and nobody here has one.
        await using var usage = await StartedHost.Of((args, configure) => UsageHost.Build(args, configure), broker, new() { ["Usage:Postgres"] = database.ConnectionString("usage"), ["Access:Mode"] = "Keys", ["Access:Keys:0"] = $"operator:admin:{AccessKey.Sha256Of(AccessKey.NewText())}" });
        await using var plans = await StartedHost.Of((args, configure) => PlanDesignHost.Build(args, configure), broker, new() { ["PlanDesign:Postgres"] = database.ConnectionString("plan_design"), ["PlanDesign:UsageAddress"] = $"{usage.Endpoints().Grpc}" });
        Task<(int Exit, string Output, string Error)> Menu(string input, params string[] args) => BillingProcess.Run(input, ["menu", .. args, "--plan-design", $"{plans.Endpoints().Grpc}"]);

        // A menu without plans is drafted, and not sold.
        string[] publish = ["publish", "-", "--name", "Chat", "--round", "USD", "--conversations", "20", "--json"];
        var (exit, output, error) = await Menu(BillingProcess.Worked.Replace("\"servingCostPerToken\":2", "\"servingCostPerToken\":2000", StringComparison.Ordinal), publish);
        Assert.Equal((1, ""), (exit, output));
        var drafted = JsonDocument.Parse((await Menu("", "show", "--json")).Output).RootElement.GetProperty("menus")[0].GetProperty("menuId").GetString();
        Assert.StartsWith($"billing: {drafted} is drafted, but not published: {drafted} has no plan", error, StringComparison.Ordinal);
        Assert.EndsWith($"publish it with billing menu publish {drafted}, or discard it with billing menu retire {drafted} --reason …\n", error, StringComparison.Ordinal);

        // A watch that waited for a key would wait for ever.
        var onSale = JsonDocument.Parse((await Menu(BillingProcess.Worked, publish)).Output).RootElement.GetProperty("menuId").GetString()!;
        (exit, _, error) = await Menu("", "watch", onSale, "--state", Path.Combine(_folder, "state.json"), "--usage", $"{usage.Endpoints().Grpc}", "--billing", $"{usage.Endpoints().Grpc}");
        Assert.Equal(1, exit);
        Assert.Matches($"^billing: (usage|billing) at {usage.Endpoints().Grpc} refuses: .* needs an API key.*BILLING_API_KEY\n$", error);

        using var channel = GrpcChannel.ForAddress(plans.Endpoints().Grpc);
        var refused = await Assert.ThrowsAsync<RpcException>(async () => await new Contracts.PlanDesign.V1.PlanDesign.PlanDesignClient(channel).EstimateMarketAsync(new() { MenuId = onSale }));
        Assert.Equal((StatusCode.FailedPrecondition, "usage_refused"), (refused.StatusCode, refused.GetRpcStatus()!.GetDetail<Google.Rpc.ErrorInfo>()!.Reason));
        Assert.Contains("Calls__Key", refused.Status.Detail, StringComparison.Ordinal);
    }
}
