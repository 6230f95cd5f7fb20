using Contracts.Usage.V1;
using Grpc.Core;
using Microsoft.Extensions.Options;
using Usage.Host.Cluster;
using Usage.Host.Ledger;
using Usage.Host.Owners;

namespace Usage.Host;

/// <summary>What model runtimes call: the stream, and the same in unary form.</summary>
public sealed class TokenMeterService(Intake intake, OwnerRoutes routes, LedgerWriters ledger, Instances instances, ServingGate gate, UsageMetrics metrics, IOptions<UsageOptions> options) : TokenMeter.TokenMeterBase
{
    public override async Task Meter(IAsyncStreamReader<MeterRequest> requestStream, IServerStreamWriter<MeterResponse> responseStream, ServerCallContext context)
    {
        gate.ThrowUnlessServing();
        try
        {
            if (metrics.Streams(1) > options.Value.StreamsMax)
                throw new Refusal(Reasons.StreamsTooMany, $"this instance carries its {options.Value.StreamsMax} streams; put more generations on each, or use another instance").AsException();
            using var stream = new MeterStream(intake, ledger, instances, options.Value, context.CancellationToken);
            await stream.RunAsync(requestStream, responseStream, gate.Draining);
        }
        finally
        {
            metrics.Streams(-1);
        }
    }

    public override Task<AuthorizeResponse> Authorize(AuthorizeRequest request, ServerCallContext context)
    {
        gate.ThrowUnlessServing();
        return request.Start is null ? throw new FormatException("start is missing") : routes.AuthorizeAsync(request, context.CancellationToken);
    }

    public override Task<ReportResponse> Report(ReportRequest request, ServerCallContext context)
    {
        gate.ThrowUnlessServing();
        return request.Chunk is null ? throw new FormatException("chunk is missing") : routes.ReportAsync(request, context.CancellationToken);
    }

    public override Task<SettleResponse> Settle(SettleRequest request, ServerCallContext context)
    {
        gate.ThrowUnlessServing();
        return request.Finish is null ? throw new FormatException("finish is missing") : routes.SettleAsync(request, context.CancellationToken);
    }
}
