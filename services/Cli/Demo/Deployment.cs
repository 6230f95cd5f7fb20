using Cli.Commands;
using Contracts.Billing.V1;
using Contracts.Clock.V1;
using Contracts.PlanDesign.V1;
using Contracts.Usage.V1;
using Google.Protobuf.WellKnownTypes;
using Grpc.Core;
using Grpc.Net.Client;

namespace Cli.Demo;

/// <summary>The three services as the demo reaches them: always over gRPC sockets, wherever they run.</summary>
public class Deployment(Uri planDesign, Uri usage, Uri billing) : IAsyncDisposable
{
    private readonly GrpcChannel _planDesign = Channel(planDesign), _usage = Channel(usage), _billing = Channel(billing);

    public Contracts.PlanDesign.V1.PlanDesign.PlanDesignClient PlanDesign => new(_planDesign);
    public UsageLedger.UsageLedgerClient Ledger => new(_usage);
    public Contracts.Billing.V1.Billing.BillingClient Billing => new(_billing);
    public Audit.AuditClient Audit => new(_billing);

    /// <summary>A runtime worker has a connection of its own, as it would on a machine of its own.</summary>
    public CallInvoker NewMeter() => Channel(usage).CreateCallInvoker();

    public async Task<DateTimeOffset> Now(CancellationToken ct)
    {
        var readings = await Task.WhenAll(Clocks.Select(c => c.GetAsync(new(), cancellationToken: ct).ResponseAsync));
        if (readings.Any(r => !r.Simulated))
            throw new RpcException(new Status(StatusCode.FailedPrecondition,
                "the services run on the real clock, and the demo plays a month: start them with docker-compose.demo.yml, which simulates it"));
        // A service that was started again stands where its clock once began: all go on from the latest.
        var now = readings.Max(r => r.Now.ToDateTimeOffset());
        if (readings.Any(r => r.Now.ToDateTimeOffset() < now)) await AdvanceAsync(now, ct);
        return now;
    }

    /// <summary>Moves business time forward everywhere: usage first, so that what it still has to report is there when billing closes.</summary>
    public async Task AdvanceAsync(DateTimeOffset to, CancellationToken ct)
    {
        foreach (var clock in Clocks) await clock.AdvanceAsync(new() { To = to.ToTimestamp() }, cancellationToken: ct);
    }

    public virtual ValueTask DisposeAsync()
    {
        foreach (var channel in new[] { _planDesign, _usage, _billing }) channel.Dispose();
        GC.SuppressFinalize(this);
        return ValueTask.CompletedTask;
    }

    private IEnumerable<BusinessClock.BusinessClockClient> Clocks => [new(_usage), new(_planDesign), new(_billing)];

    private static GrpcChannel Channel(Uri address) => ServiceChannel.Open(address);
}
