using Contracts.Clock.V1;
using Google.Protobuf.WellKnownTypes;
using Grpc.Core;
using Microsoft.Extensions.DependencyInjection;
using Clock = Contracts.Clock.V1.BusinessClock.BusinessClockClient;

namespace Hosting.Tests;

public sealed class ClockTests : IAsyncLifetime
{
    private static readonly DateTimeOffset Jan1 = new(2026, 1, 1, 0, 0, 0, TimeSpan.Zero);
    private readonly List<DateTimeOffset> _done = [];
    private string _postgres = "", _rabbitMq = "";

    private sealed class Noted(List<DateTimeOffset> done) : IDueWork
    {
        public async Task RunAsync(DateTimeOffset now, CancellationToken ct)
        {
            await Task.Yield();
            done.Add(now);
        }
    }

    public async Task InitializeAsync()
    {
        _postgres = (await Servers.CreateDatabaseAsync()).ConnectionString("billing");
        _rabbitMq = (await Servers.CreateVirtualHostAsync()).OriginalString;
    }

    public Task DisposeAsync() => Task.CompletedTask;

    private Task<TestHost> Start(string mode) => TestHost.StartAsync(
        _postgres, _rabbitMq, new() { ["Clock:Mode"] = mode, ["Clock:Start"] = "2026-01-01T00:00:00Z" }, services: s => s.AddSingleton<IDueWork>(new Noted(_done)));

    [Fact]
    public async Task A_simulated_clock_stands_still_and_advances_when_its_due_work_is_done()
    {
        await using var host = await Start("Simulated");
        var clock = new Clock(host.Channel);
        Assert.Equal(new Reading { Now = Jan1.ToTimestamp(), Simulated = true }, await clock.GetAsync(new GetRequest()));

        var feb1 = Jan1.AddMonths(1);
        Assert.Equal(feb1, (await clock.AdvanceAsync(new AdvanceRequest { To = feb1.ToTimestamp() })).Now.ToDateTimeOffset());
        Assert.Equal([feb1], _done);
        Assert.Equal(feb1, host.Get<BusinessClock>().Now);

        await clock.AdvanceAsync(new AdvanceRequest { To = feb1.ToTimestamp() });
        Assert.Equal([feb1, feb1], _done);
    }

    [Fact]
    public async Task A_simulated_clock_does_not_go_back()
    {
        await using var host = await Start("Simulated");
        var e = await Assert.ThrowsAsync<RpcException>(async () => await new Clock(host.Channel).AdvanceAsync(new AdvanceRequest { To = Jan1.AddSeconds(-1).ToTimestamp() }));
        Assert.Equal((StatusCode.FailedPrecondition, "clock_runs_forward"), TestHost.Why(e));
        Assert.Empty(_done);
    }

    [Fact]
    public async Task The_real_clock_is_not_advanced()
    {
        await using var host = await Start("Real");
        var e = await Assert.ThrowsAsync<RpcException>(async () => await new Clock(host.Channel).AdvanceAsync(new AdvanceRequest { To = Jan1.AddYears(100).ToTimestamp() }));
        Assert.Equal((StatusCode.FailedPrecondition, "clock_is_real"), TestHost.Why(e));
    }

    [Fact]
    public async Task A_time_that_is_absent_or_impossible_is_named()
    {
        await using var host = await Start("Simulated");
        foreach (var to in new[] { null, new Timestamp { Seconds = long.MaxValue }, new Timestamp { Nanos = -1 } })
        {
            var e = await Assert.ThrowsAsync<RpcException>(async () => await new Clock(host.Channel).AdvanceAsync(new AdvanceRequest { To = to }));
            Assert.Equal((StatusCode.InvalidArgument, "invalid_argument"), TestHost.Why(e));
            Assert.StartsWith("to is ", e.Status.Detail, StringComparison.Ordinal);
        }
    }
}
