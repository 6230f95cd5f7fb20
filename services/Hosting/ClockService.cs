using System.Runtime.ExceptionServices;
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
        // What waits in one kind of work keeps no other from being done.
        var waiting = new List<RefusedException>();
        foreach (var work in dueWork)
        {
            try { await work.RunAsync(clock.Now, context.CancellationToken); }
            catch (RefusedException e) { waiting.Add(e); }
        }
        if (waiting.Count > 0) ExceptionDispatchInfo.Throw(waiting[0]);
        return Reading();
    }

    private Reading Reading() => new() { Now = clock.Now.ToTimestamp(), Simulated = clock.IsSimulated };
}
