using Contracts.Billing.V1;
using Google.Protobuf.WellKnownTypes;
using Grpc.Core;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;

namespace Usage.Host.Tests;

/// <summary>A real gRPC server that knows every subscription but one, their periods moving with its version.</summary>
public sealed class BillingStandIn : Billing.BillingBase, IAsyncDisposable
{
    private WebApplication? _app;

    private readonly Lock _gate = new();

    public int Asked { get; private set; }
    /// <summary>Being asked now, and the most that ever were.</summary>
    public int Asking { get; private set; }
    public int AskingMost { get; private set; }
    /// <summary>It answers nobody before this.</summary>
    public Task Answers { get; set; } = Task.CompletedTask;
    public bool KnowsNobody { get; set; }
    public long Version { get; set; } = 1;
    public string Address { get; private set; } = "";
    /// <summary>Whose every subscription is.</summary>
    public string Customer { get; set; } = "";
    /// <summary>What it was last shown.</summary>
    public string? Authorization { get; private set; }
    /// <summary>The one that it does not know.</summary>
    public string Unknown { get; init; } = "";

    public static async Task<BillingStandIn> StartAsync(string unknown = "")
    {
        var service = new BillingStandIn { Unknown = unknown };
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.WebHost.ConfigureKestrel(k => k.Listen(System.Net.IPAddress.Loopback, 0, o => o.Protocols = HttpProtocols.Http2));
        builder.Services.AddGrpc();
        builder.Services.AddSingleton(service);
        service._app = builder.Build();
        service._app.MapGrpcService<BillingStandIn>();
        await service._app.StartAsync();
        service.Address = service._app.Urls.First();
        return service;
    }

    public override async Task<Subscription> GetSubscription(GetSubscriptionRequest request, ServerCallContext context)
    {
        lock (_gate) (Asked, Asking, AskingMost) = (Asked + 1, Asking + 1, Math.Max(AskingMost, Asking + 1));
        try { await Answers; }
        finally { lock (_gate) Asking--; }
        Authorization = context.RequestHeaders.GetValue("authorization");
        if (KnowsNobody || request.SubscriptionId == Unknown) throw new RpcException(new(StatusCode.NotFound, "no such subscription"));
        var first = (int)(Version - 1) * 2;
        return new Subscription
        {
            SubscriptionId = request.SubscriptionId, Version = Version, CustomerId = Customer, Status = "active", PlanId = Samples.PlanId("small"),
            CurrentPeriod = Period(first), NextPeriod = Period(first + 1),
        };
    }

    private static BillingPeriod Period(int number) => new()
    {
        PeriodId = Samples.PeriodId("alice", number),
        Number = number,
        Start = Samples.Jan1.AddMonths(number).ToTimestamp(),
        End = Samples.Jan1.AddMonths(number + 1).ToTimestamp(),
    };

    public async ValueTask DisposeAsync()
    {
        if (_app is not null) await _app.DisposeAsync();
    }
}
