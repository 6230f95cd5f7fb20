using Billing.Operations;
using Contracts.Billing.V1;
using Google.Protobuf.WellKnownTypes;
using Grpc.Core;
using V1 = Contracts.Billing.V1;

namespace Billing.Host;

/// <summary>billing.v1.Operations.</summary>
public sealed class OperationsService(
    ParkedMessages parked, UsageReports reports, MenuReception menus, GapFetcher gaps, EventStreams streams, IdempotentCalls calls, BusinessClock clock) : V1.Operations.OperationsBase
{
    public override async Task<ListParkedMessagesResponse> ListParkedMessages(ListParkedMessagesRequest request, ServerCallContext context)
    {
        var size = Pages.Size(request.PageSize);
        var found = await parked.List(request.PageToken, size + 1, request.IncludeSetAside, context.CancellationToken);
        var response = new ListParkedMessagesResponse { NextPageToken = found.Count > size ? found[size - 1].Id : "" };
        response.Messages.AddRange(found.Take(size).Select(m => new V1.ParkedMessage { Id = m.Id, Reason = m.Reason, Detail = m.Detail, Body = m.Body, ParkedAt = m.At.ToTimestamp(), SetAsideAt = m.SetAsideAt?.ToTimestamp() }));
        return response;
    }

    public override async Task<ReplayParkedMessageResponse> ReplayParkedMessage(ReplayParkedMessageRequest request, ServerCallContext context)
    {
        Refusal? still = null;
        try
        {
            return await calls.Once<ReplayParkedMessageResponse>(context, request, async remember =>
            {
                var ct = context.CancellationToken;
                var message = await parked.Find(request.Id, ct);
                await Order(new ReplayOrdered(message.Id, message.Reason, clock.Now), context, null);
                var taken = new ReplayParkedMessageResponse { Taken = true };
                still = await parked.Replay(message, reports, menus, session => remember(session, taken), ct);
                return still is { } why ? throw why.AsException() : taken;
            });
        }
        catch (RefusedException) when (still is not null)
        {
            // Like a refusal it is not kept: the same call may succeed when the cause is mended.
            return new() { Reason = still.Value.Code, Detail = still.Value.Detail };
        }
    }

    public override Task<SetAsideParkedMessageResponse> SetAsideParkedMessage(SetAsideParkedMessageRequest request, ServerCallContext context) =>
        calls.Once<SetAsideParkedMessageResponse>(context, request, async remember =>
        {
            var message = await parked.Find(request.Id, context.CancellationToken);
            var response = new SetAsideParkedMessageResponse();
            if (message.SetAsideAt is not null) return response;
            await Order(new MessageSetAside(message.Id, message.Reason, clock.Now), context, session =>
            {
                parked.SetAside(session, message);
                remember(session, response);
            });
            return response;
        });

    public override Task<ResumeShardResponse> ResumeShard(ResumeShardRequest request, ServerCallContext context) => calls.Once<ResumeShardResponse>(context, request, async remember =>
    {
        var ct = context.CancellationToken;
        var shard = (await reports.Progress(ct)).FirstOrDefault(s => s.Shard == request.Shard)
            ?? throw new Refusal("shard_unknown", $"no report of shard {request.Shard} ever came; GetAppliedReports lists the shards").AsException();
        if (shard.Stopped is not { } why) return new();
        var response = new ResumeShardResponse { Resumed = true, Stopped = why };
        await Order(new ShardResumed(shard.Shard, why, clock.Now), context, session =>
        {
            UsageReports.Resume(session, shard.Shard);
            remember(session, response);
        });
        gaps.LookSoon();
        return response;
    });

    private async Task Order(OperationEvent ordered, ServerCallContext context, Action<Marten.IDocumentSession>? alongside)
    {
        var by = CallerAttribution.Of(context);
        (await streams.Transact<OperationsState, OperationEvent>(
            OperationsState.StreamId, OperationsState.Initial, OperationsState.Evolve, _ => Decision.Accept(ordered).By(by), context.CancellationToken, (session, _) => alongside?.Invoke(session))).OrThrow();
    }
}
