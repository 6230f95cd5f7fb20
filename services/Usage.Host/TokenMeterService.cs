using Contracts.Usage.V1;
using Grpc.Core;
using Microsoft.Extensions.Options;
using Usage.Host.Ledger;
using Usage.Host.Owners;

namespace Usage.Host;

/// <summary>What model runtimes call: the stream, and the same in unary form.</summary>
public sealed class TokenMeterService(Intake intake, OwnerDirectory owners, LedgerWriters ledger, ServingGate gate, IOptions<UsageOptions> options) : TokenMeter.TokenMeterBase
{
    private TimeSpan UnaryWait => TimeSpan.FromSeconds(options.Value.UnaryWaitSecondsMax);

    public override async Task Meter(IAsyncStreamReader<MeterRequest> requestStream, IServerStreamWriter<MeterResponse> responseStream, ServerCallContext context)
    {
        gate.ThrowUnlessServing();
        await new MeterStream(intake, ledger, options.Value, context.CancellationToken).RunAsync(requestStream, responseStream, gate.Draining);
    }

    public override async Task<AuthorizeResponse> Authorize(AuthorizeRequest request, ServerCallContext context)
    {
        gate.ThrowUnlessServing();
        if (request.Start is not { } start) throw new FormatException("start is missing");
        var outlet = new UnaryOutlet(f => f.FrameCase is MeterFrame.FrameOneofCase.Grant or MeterFrame.FrameOneofCase.Deny or MeterFrame.FrameOneofCase.Stop || f.Ack is { Finished: true });
        await intake.StartAsync(start, request.TokensWanted, outlet);

        var response = new AuthorizeResponse();
        foreach (var frame in await outlet.AnswersAsync(UnaryWait, context.CancellationToken))
        {
            if (frame.Grant is { } grant) response.Grant = grant;
            else if (frame.Deny is { } deny) response.Deny = deny;
            else if (frame.Stop is { } stop) response.Deny = new Deny { GenerationId = stop.GenerationId, Reason = stop.Reason, Detail = stop.Detail, Window = stop.Window };
            else if (frame.Ack is { Finished: true }) response.Deny ??= new Deny { GenerationId = start.GenerationId, Reason = Reasons.GenerationFinished, Detail = "the generation is finished; a new one takes a new id" };
            if (frame.Ack is { } ack) response.DurableSequence = ack.Sequence;
        }
        return response;
    }

    public override async Task<ReportResponse> Report(ReportRequest request, ServerCallContext context)
    {
        gate.ThrowUnlessServing();
        if (request.Chunk is not { } chunk) throw new FormatException("chunk is missing");
        if ((Frames.Read(chunk, out var frame) ?? Frames.ReadWanted(request.TokensWanted)) is { } invalid) throw invalid.AsException();
        var outlet = new UnaryOutlet(f => f.Ack is { } ack && ack.Sequence >= chunk.Sequence || f.Rejection is not null);
        await intake.CountAsync(chunk.GenerationId, frame, request.TokensWanted, outlet, context.CancellationToken);

        var response = new ReportResponse();
        foreach (var answer in await outlet.AnswersAsync(UnaryWait, context.CancellationToken))
        {
            ThrowIfRejected(answer);
            response.Ack = answer.Ack ?? response.Ack;
            response.Grant = answer.Grant ?? response.Grant;
            response.Stop = answer.Stop ?? response.Stop;
        }
        if (response.Grant is null && response.Stop is null) response.Grant = owners.CurrentGrant(chunk.GenerationId);
        return response;
    }

    public override async Task<SettleResponse> Settle(SettleRequest request, ServerCallContext context)
    {
        gate.ThrowUnlessServing();
        if (request.Finish is not { } finish) throw new FormatException("finish is missing");
        if (Frames.Read(finish, out var frame) is { } invalid) throw invalid.AsException();
        var outlet = new UnaryOutlet(f => f.Ack is { Finished: true } || f.Rejection is not null);
        await intake.CountAsync(finish.GenerationId, frame, 0, outlet, context.CancellationToken);

        var response = new SettleResponse();
        foreach (var answer in await outlet.AnswersAsync(UnaryWait, context.CancellationToken))
        {
            ThrowIfRejected(answer);
            response.Ack = answer.Ack ?? response.Ack;
        }
        (response.Recorded, response.OverrunTokens) = await intake.RecordedAsync(Ids.Parse(Ids.Generation, finish.GenerationId));
        return response;
    }

    private static void ThrowIfRejected(MeterFrame answer)
    {
        if (answer.Rejection is { } rejection) throw new Refusal(rejection.Reason, rejection.Detail).AsException();
    }
}
