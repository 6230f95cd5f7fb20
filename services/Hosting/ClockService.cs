using Contracts.Clock.V1;
using Google.Protobuf.WellKnownTypes;
using Grpc.Core;

namespace Hosting;

/// <summary>Work that falls due as business time passes: closing periods, say. Safe to run twice, and on several instances.</summary>
public interface IDueWork
{
    /// <summary>Does everything due at <paramref name="now"/>; returns when it is committed.</summary>
    Task RunAsync(DateTimeOffset now, CancellationToken ct);
}

/// <summary>Reading and, where it is simulated, advancing the business clock.</summary>
public sealed class ClockService(BusinessClock clock, IEnumerable<IDueWork> dueWork) : Contracts.Clock.V1.BusinessClock.BusinessClockBase
{
    public override Task<Reading> Get(GetRequest request, ServerCallContext context) => Task.FromResult(Reading());

    public override async Task<Reading> Advance(AdvanceRequest request, ServerCallContext context)
    {
        if (clock.MoveTo(request.To.ToTime("to")) is { } refusal)
            throw RefusalExtensions.ToRpcException(StatusCode.FailedPrecondition, refusal.Code, refusal.Detail);
        foreach (var work in dueWork) await work.RunAsync(clock.Now, context.CancellationToken);
        return Reading();
    }

    private Reading Reading() => new() { Now = clock.Now.ToTimestamp(), Simulated = clock.IsSimulated };
}
