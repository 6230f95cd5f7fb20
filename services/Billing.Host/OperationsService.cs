using Contracts.Billing.V1;
using Google.Protobuf.WellKnownTypes;
using Grpc.Core;

namespace Billing.Host;

/// <summary>billing.v1.Operations.</summary>
public sealed class OperationsService(ParkedMessages parked, UsageReports reports, MenuReception menus) : Operations.OperationsBase
{
    private const int PageSizeDefault = 100, PageSizeMax = 1_000;

    public override async Task<ListParkedMessagesResponse> ListParkedMessages(ListParkedMessagesRequest request, ServerCallContext context)
    {
        if (request.PageSize is < 0 or > PageSizeMax) throw new FormatException($"page_size must be from 1 to {PageSizeMax}, or 0 for {PageSizeDefault}");
        var size = request.PageSize == 0 ? PageSizeDefault : request.PageSize;
        var found = await parked.List(request.PageToken, size + 1, context.CancellationToken);
        var response = new ListParkedMessagesResponse { NextPageToken = found.Count > size ? found[size - 1].Id : "" };
        response.Messages.AddRange(found.Take(size).Select(m => new Contracts.Billing.V1.ParkedMessage { Id = m.Id, Reason = m.Reason, Detail = m.Detail, Body = m.Body, ParkedAt = m.At.ToTimestamp() }));
        return response;
    }

    public override async Task<ReplayParkedMessageResponse> ReplayParkedMessage(ReplayParkedMessageRequest request, ServerCallContext context) =>
        await parked.Replay(request.Id, reports, menus, context.CancellationToken) is { } still
            ? new() { Reason = still.Code, Detail = still.Detail }
            : new() { Taken = true };
}
