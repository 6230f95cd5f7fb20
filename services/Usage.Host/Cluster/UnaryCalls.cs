using System.Text.Json;
using Contracts.Usage.V1;
using Google.Protobuf;
using Microsoft.Extensions.Options;
using Usage.Host.Owners;

namespace Usage.Host.Cluster;

/// <summary>Unary calls, answered where the owner is: in this process, or for another one.</summary>
public sealed class UnaryCalls(Intake intake, OwnerDirectory owners, CorrectionDesk desk, IOptions<UsageOptions> options) : IDisposable
{
    /// <summary>Of imports all together: streams wait for the same places, and a batch of thousands must not take them all.</summary>
    private readonly SemaphoreSlim _importing = new(Math.Max(options.Value.LookupsWaitingMax / 2, 1));

    private TimeSpan UnaryWait => TimeSpan.FromSeconds(options.Value.UnaryWaitSecondsMax);

    /// <exception cref="RefusedException">Refused; owner_moved if the owner is not here.</exception>
    public async Task<IMessage> AnswerAsync(UnaryCall call, byte[] request, CancellationToken ct) => call switch
    {
        UnaryCall.Authorize => await AuthorizeAsync(AuthorizeRequest.Parser.ParseFrom(request), ct),
        UnaryCall.Report => await ReportAsync(ReportRequest.Parser.ParseFrom(request), ct),
        UnaryCall.Correct => await desk.CorrectAsync(JsonSerializer.Deserialize<CorrectionCall>(request)!, ct),
        UnaryCall.Settle => await SettleAsync(SettleRequest.Parser.ParseFrom(request), ct),
        UnaryCall.Import => await ImportAsync(MeterRequest.Parser.ParseFrom(request), ct),
        _ => await BalanceAsync(GetBalanceRequest.Parser.ParseFrom(request), ct),
    };

    public async Task<AuthorizeResponse> AuthorizeAsync(AuthorizeRequest request, CancellationToken ct)
    {
        var start = request.Start;
        var outlet = new UnaryOutlet(f => f.FrameCase is MeterFrame.FrameOneofCase.Grant or MeterFrame.FrameOneofCase.Deny or MeterFrame.FrameOneofCase.Stop || f.Ack is { Finished: true });
        await InTimeAsync(async within => await intake.StartAsync(start, request.TokensWanted, outlet, within), ct);

        var response = new AuthorizeResponse();
        foreach (var frame in await outlet.AnswersAsync(UnaryWait, ct))
        {
            if (frame.Grant is { } grant) response.Grant = grant;
            else if (frame.Deny is { } deny) response.Deny = deny;
            else if (frame.Stop is { } stop) response.Stop = stop;
            else if (frame.Ack is { Finished: true }) response.Deny ??= new Deny { GenerationId = start.GenerationId, Asker = start.Asker, Attempt = start.Attempt, Reason = Reasons.GenerationFinished, Detail = "the generation is finished; a new one takes a new id" };
            if (frame.Ack is not { } ack) continue;
            response.DurableSequence = ack.Sequence;
            if (ack.Reported is { } reported) (response.TakenSequence, response.Reported) = (ack.TakenSequence, reported);
        }
        return response;
    }

    public async Task<ReportResponse> ReportAsync(ReportRequest request, CancellationToken ct)
    {
        var chunk = request.Chunk;
        if ((Frames.Read(chunk, out var frame) ?? Frames.ReadWanted(request.TokensWanted)) is { } invalid) throw invalid.AsException();
        var outlet = new UnaryOutlet(f => f.Ack is { } ack && ack.Sequence >= chunk.Sequence || f.Rejection is not null);
        if (await InTimeAsync(async within => await intake.CountAsync(chunk.GenerationId, frame, request.TokensWanted, outlet, within), ct) is not null) throw OwnerMoved.AsException();

        var response = new ReportResponse();
        foreach (var answer in await outlet.AnswersAsync(UnaryWait, ct))
        {
            ThrowIfRejected(answer);
            response.Ack = answer.Ack ?? response.Ack;
            response.Grant = answer.Grant ?? response.Grant;
            response.Stop = answer.Stop ?? response.Stop;
        }
        if (response.Grant is null && response.Stop is null) response.Grant = owners.CurrentGrant(chunk.GenerationId);
        return response;
    }

    public async Task<SettleResponse> SettleAsync(SettleRequest request, CancellationToken ct)
    {
        var finish = request.Finish;
        if (Frames.Read(finish, out var frame) is { } invalid) throw invalid.AsException();
        var outlet = new UnaryOutlet(f => f.Ack is { Finished: true } || f.Rejection is not null);
        if (await InTimeAsync(async within => await intake.CountAsync(finish.GenerationId, frame, 0, outlet, within), ct) is not null) throw OwnerMoved.AsException();

        var response = new SettleResponse();
        foreach (var answer in await outlet.AnswersAsync(UnaryWait, ct))
        {
            ThrowIfRejected(answer);
            response.Ack = answer.Ack ?? response.Ack;
        }
        (response.Recorded, response.OverrunTokens) = await intake.RecordedAsync(Ids.Parse(Ids.Generation, finish.GenerationId), ct);
        return response;
    }

    /// <summary>Records imported generations of one subscription: a Start and a Finish each. Answered with their acknowledgements when all are committed.</summary>
    public async Task<MeterResponse> ImportAsync(MeterRequest request, CancellationToken ct)
    {
        var waiting = request.Frames.Where(f => f.Finish is not null).Select(f => f.Finish.GenerationId).ToHashSet();
        var outlet = new UnaryOutlet(f => f.Rejection is not null || (f.Ack is { Finished: true } ack && waiting.Remove(ack.GenerationId) && waiting.Count == 0));
        await Task.WhenAll(request.Frames.Chunk(2).Select(async pair =>
        {
            await _importing.WaitAsync(ct);
            try { await intake.ImportAsync(pair[0].Start, pair[1].Finish, outlet, ct); }
            finally { _importing.Release(); }
        }));
        var answers = await outlet.AnswersAsync(UnaryWait, ct);
        foreach (var answer in answers) ThrowIfRejected(answer);
        return new MeterResponse { Frames = { answers } };
    }

    public Task<Balance> BalanceAsync(GetBalanceRequest request, CancellationToken ct) =>
        intake.BalanceAsync(Ids.Parse(Ids.Subscription, request.SubscriptionId), request.Conversation, ct);

    public void Dispose() => _importing.Dispose();

    /// <summary>A call waits no longer to be taken, when the ledger is full, than it would for its answer.</summary>
    private async Task<T> InTimeAsync<T>(Func<CancellationToken, Task<T>> take, CancellationToken ct)
    {
        using var within = CancellationTokenSource.CreateLinkedTokenSource(ct);
        within.CancelAfter(UnaryWait);
        try { return await take(within.Token); }
        catch (OperationCanceledException) when (!ct.IsCancellationRequested) { throw new StoreNotReadyException(); }
    }

    private static void ThrowIfRejected(MeterFrame answer)
    {
        if (answer.Rejection is { } rejection) throw new Refusal(rejection.Reason, rejection.Detail).AsException();
    }
}
