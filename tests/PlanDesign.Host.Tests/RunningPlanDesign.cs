using Contracts.PlanDesign.V1;
using Grpc.Core;
using Grpc.Net.Client;
using Hosting;
using LocalServers;
using Microsoft.AspNetCore.Builder;
using Microsoft.Extensions.Configuration;

namespace PlanDesign.Host.Tests;

/// <summary>Plan design as it runs, on a database and a virtual host of its own, called over a real socket.</summary>
public sealed class RunningPlanDesign : IAsyncDisposable
{
    private readonly GrpcChannel _channel;

    private RunningPlanDesign(WebApplication app)
    {
        App = app;
        _channel = GrpcChannel.ForAddress(app.Endpoints().Grpc);
    }

    public WebApplication App { get; }
    public Contracts.PlanDesign.V1.PlanDesign.PlanDesignClient Client => new(_channel);

    public static async Task Tables(ServiceDatabase database) =>
        await (await EventStore.OpenAsync(PlanDesignHost.Schema, PlanDesignHost.SchemaVersion, database.ConnectionString("plan_design"), PlanDesignHost.ConfigureStore)).DisposeAsync();

    public static async Task<RunningPlanDesign> StartAsync(string postgres, Uri rabbitMq, Dictionary<string, string?>? settings = null)
    {
        var app = PlanDesignHost.Build([], builder =>
        {
            builder.Environment.EnvironmentName = "Test";
            builder.Configuration.AddInMemoryCollection(new Dictionary<string, string?>(settings ?? [])
            {
                ["Http:Address"] = "127.0.0.1", ["Http:Port"] = "0", ["Http:GrpcPort"] = "0", ["Logging:Minimum"] = "Error",
                ["PlanDesign:Postgres"] = postgres, ["RabbitMq:Uri"] = rabbitMq.OriginalString,
                ["Clock:Mode"] = "Simulated", ["Clock:Start"] = "2026-01-01T00:00:00Z",
            });
        });
        await app.StartAsync();
        var running = new RunningPlanDesign(app);
        await Eventually.True(async () =>
        {
            using var http = new HttpClient();
            using var answer = await http.GetAsync(new Uri(app.Endpoints().Http, "/health/ready"));
            return answer.IsSuccessStatusCode;
        }, "plan design is ready");
        return running;
    }

    public async ValueTask DisposeAsync()
    {
        _channel.Dispose();
        await App.StopAsync();
        await App.DisposeAsync();
    }
}

public sealed class PlanDesignFixture : IAsyncLifetime
{
    public string Postgres { get; private set; } = "";
    public Uri RabbitMq { get; private set; } = null!;
    public RunningPlanDesign Service { get; private set; } = null!;
    public Contracts.PlanDesign.V1.PlanDesign.PlanDesignClient Client => Service.Client;

    public async Task InitializeAsync()
    {
        Postgres = (await Servers.CreateDatabaseAsync(RunningPlanDesign.Tables)).ConnectionString("plan_design");
        RabbitMq = await Servers.CreateVirtualHostAsync();
        Service = await RunningPlanDesign.StartAsync(Postgres, RabbitMq, new() { ["PlanDesign:TypesMax"] = "50", ["PlanDesign:CapTokensMax"] = "200", ["PlanDesign:ObservationsMax"] = "10", ["PlanDesign:CellsMax"] = "25000" });
    }

    public async Task DisposeAsync() => await Service.DisposeAsync();
}

internal static class Requests
{
    /// <summary>The worked menu of plan design's README: caps of 2 and 1 tokens at 26.20 and 10.00 a conversation.</summary>
    public static Contracts.PlanDesign.V1.Market Worked => new()
    {
        Urgency = new() { Discrete = new() { RatesPerSecond = { -Math.Log(0.9), Math.Log(2), Math.Log(5) }, Weights = { 0.3, 0.5, 0.2 } } },
        AnswerTime = new() { Discrete = new() { ProbabilityPerToken = { 0.5, 0.5 } } },
        TokensPerSecond = 1,
        ValuePerAnswer = 40,
        ServingCostPerToken = 2,
    };

    public static DraftMenuRequest Draft(string name = "Chat") =>
        new() { Name = name, Market = Worked, PlansMax = 3, Currency = "USD", ConversationsPerPeriod = 20, Models = { "small", "large" } };

    public static PublishMenuRequest Publish(Contracts.PlanDesign.V1.Menu menu) => new() { MenuId = menu.MenuId, Actor = "ada" };

    public static async Task<(StatusCode Status, string Reason, string Detail)> Refused(Func<AsyncUnaryCall<Contracts.PlanDesign.V1.Menu>> call) =>
        Why(await Assert.ThrowsAsync<RpcException>(async () => await call()));

    public static (StatusCode Status, string Reason, string Detail) Why(RpcException e) =>
        (e.StatusCode, e.GetRpcStatus()!.GetDetail<Google.Rpc.ErrorInfo>()!.Reason, e.Status.Detail);
}
