using Contracts.PlanDesign.V1;
using Grpc.Core;
using Grpc.Net.Client;
using Hosting;
using Marten;
using Microsoft.AspNetCore.Builder;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;

namespace Hosting.Tests;

public abstract record JarEvent;
public sealed record CoinDropped(string Coin) : JarEvent;

/// <summary>Which coins are in the jar; each may be dropped once, and a jar holds three.</summary>
public sealed record Jar(IReadOnlyList<string> Coins)
{
    public static readonly Jar Empty = new([]);

    public static Jar Evolve(Jar jar, JarEvent e) => e switch
    {
        CoinDropped d => new([.. jar.Coins, d.Coin]),
        _ => throw new System.Diagnostics.UnreachableException(),
    };

    public static Decision<JarEvent> Drop(string coin, Jar jar) =>
        jar.Coins.Contains(coin) ? Decision.NoChange
        : jar.Coins.Count == 3 ? Decision.Refuse("jar_full", "the jar holds three coins: take another jar")
        : Decision.Accept<JarEvent>(new CoinDropped(coin));
}

/// <summary>A service with everything that Hosting gives, whose one call drops a coin (the reason) into a jar (the menu), and whose stream goes on when nobody listens any more.</summary>
public sealed class JarService(EventStreams streams, IdempotentCalls calls) : Contracts.PlanDesign.V1.PlanDesign.PlanDesignBase
{
    public static bool WroteToNobody { get; private set; }

    public override Task<Menu> RetireMenu(RetireMenuRequest request, ServerCallContext context)
    {
        if (request.MenuId == "") throw new FormatException("menu_id is missing");
        if (request.MenuId == "broken") throw new InvalidOperationException("a secret of the inside");
        return calls.Once<Menu>(context, request, async remember =>
        {
            Menu? answer = null;
            var decision = await streams.Transact<Jar, JarEvent>(
                request.MenuId, Jar.Empty, Jar.Evolve, jar => Jar.Drop(request.Reason, jar), context.CancellationToken,
                (session, jar) => remember(session, answer = new Menu { MenuId = request.MenuId, Name = string.Join(",", jar.Coins) }));
            decision.OrThrow();
            return answer ?? new Menu { MenuId = request.MenuId, Name = "unchanged" };
        });
    }

    public override async Task SolveMenu(SolveMenuRequest request, IServerStreamWriter<SolveMenuResponse> responseStream, ServerCallContext context)
    {
        await responseStream.WriteAsync(new());
        var gone = new TaskCompletionSource();
        await using (context.CancellationToken.Register(gone.SetResult)) await gone.Task;
        try { await responseStream.WriteAsync(new(), CancellationToken.None); }
        finally { WroteToNobody = true; }
    }
}

public sealed class TestHost : IAsyncDisposable
{
    private readonly GrpcChannel _channel;

    private TestHost(WebApplication app)
    {
        App = app;
        _channel = Connect();
        Http = new HttpClient { BaseAddress = app.Endpoints().Http };
    }

    public WebApplication App { get; }
    public HttpClient Http { get; }
    public ChannelBase Channel => _channel;
    public Contracts.PlanDesign.V1.PlanDesign.PlanDesignClient Jars => new(_channel);
    public T Get<T>() where T : notnull => App.Services.GetRequiredService<T>();

    /// <summary>Another channel to it.</summary>
    public GrpcChannel Connect(string? key = null, string? authority = null) => OutgoingCalls.Open(App.Endpoints().Grpc, key, authority, 1 << 20);

    public static async Task<TestHost> StartAsync(
        string postgres, string rabbitMq, Dictionary<string, string?>? settings = null, Action<StoreOptions>? store = null, Action<IServiceCollection>? services = null)
    {
        var builder = ServiceDefaults.CreateBuilder("jars", [], code => code == "jar_full" ? StatusCode.FailedPrecondition : StatusCode.Internal, b =>
            b.Configuration.AddInMemoryCollection(new Dictionary<string, string?>(settings ?? [])
            {
                ["Http:Address"] = "127.0.0.1", ["Http:Port"] = "0", ["Http:GrpcPort"] = "0", ["RabbitMq:Uri"] = rabbitMq, ["Logging:Minimum"] = "Error",
            }));
        builder.Environment.EnvironmentName = "Test";
        builder.AddEventStore("billing", 1, postgres, o =>
        {
            o.Events.AddEventType<CoinDropped>();
            store?.Invoke(o);
        });
        builder.AddAccess(new(new Dictionary<string, Scope> { ["plan_design.v1.PlanDesign/RetireMenu"] = Scope.Analyst }), "billing", s => s.GetRequiredService<Npgsql.NpgsqlDataSource>());
        builder.AddBus();
        services?.Invoke(builder.Services);
        var app = builder.Build();
        app.MapServiceDefaults();
        app.MapGrpcService<JarService>();
        await app.StartAsync();
        return new TestHost(app);
    }

    public async Task<(int Status, string Body)> ReadyAsync()
    {
        using var answer = await Http.GetAsync(new Uri("/health/ready", UriKind.Relative));
        return ((int)answer.StatusCode, await answer.Content.ReadAsStringAsync());
    }

    public Task IsReadyAsync() => Eventually.True(async () => (await ReadyAsync()).Status == 200, "the service is ready");

    public static (StatusCode Status, string Reason) Why(RpcException e) => (e.StatusCode, e.GetRpcStatus()!.GetDetail<Google.Rpc.ErrorInfo>()!.Reason);

    public async ValueTask DisposeAsync()
    {
        Http.Dispose();
        _channel.Dispose();
        await App.StopAsync();
        await App.DisposeAsync();
    }
}
