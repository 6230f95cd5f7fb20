using Contracts.Usage.V1;
using Google.Protobuf;
using Grpc.Core;
using Microsoft.Extensions.Options;
using Usage.Host.Cluster;
using Usage.Host.Ledger;
using Usage.Host.Owners;

namespace Usage.Host;

/// <summary>What model runtimes call: the stream, and the same in unary form.</summary>
public sealed class TokenMeterService(Intake intake, OwnerRoutes routes, LedgerWriters ledger, Instances instances, CallerBounds bounds, ServingGate gate, IOptions<UsageOptions> options) : TokenMeter.TokenMeterBase
{
    public override async Task Meter(IAsyncStreamReader<MeterRequest> requestStream, IServerStreamWriter<MeterResponse> responseStream, ServerCallContext context)
    {
        gate.ThrowUnlessServing();
        using var place = bounds.Streams.Enter(Caller.NameOf(context));
        using var stream = new MeterStream(intake, ledger, instances, options.Value, context.CancellationToken);
        await stream.RunAsync(requestStream, responseStream, gate.Draining);
    }

    public override Task<AuthorizeResponse> Authorize(AuthorizeRequest request, ServerCallContext context)
    {
        Check(request.Start, "start");
        return routes.AuthorizeAsync(request, context.CancellationToken);
    }

    public override Task<ReportResponse> Report(ReportRequest request, ServerCallContext context)
    {
        Check(request.Chunk, "chunk");
        return routes.ReportAsync(request, context.CancellationToken);
    }

    public override Task<SettleResponse> Settle(SettleRequest request, ServerCallContext context)
    {
        Check(request.Finish, "finish");
        return routes.SettleAsync(request, context.CancellationToken);
    }

    private void Check(IMessage? frame, string name)
    {
        gate.ThrowUnlessServing();
        if (frame is null) throw new FormatException($"{name} is missing");
        if (Frames.TooLarge(frame, options.Value) is { } tooLarge) throw tooLarge.AsException();
    }
}
