using System.Diagnostics;
using System.Text.Json;
using Contracts.Usage.V1;
using Google.Protobuf;
using Microsoft.Extensions.Options;
using Usage.Caps;
using Usage.Host.Ledger;
using Usage.Host.Owners;
using Usage.Host.Store;
using Usage.Metering;

namespace Usage.Host.Cluster;

/// <summary>
/// Takes what is asked once to wherever the owner is: into this process without a message, or to another one. While a shard changes hands
/// the question waits, for about as long as its caller would.
/// </summary>
public sealed class OwnerRoutes(
    Instances instances, LedgerWriters ledger, OwnerDirectory owners, RepeatReader repeats, UnaryCalls unary, CorrectionDesk desk, UsageStore store, ServingGate gate, IOptions<UsageOptions> options)
{
    public Task<AuthorizeResponse> AuthorizeAsync(AuthorizeRequest request, CancellationToken ct) =>
        // An id that is not one is refused here, like everything else that is wrong with the frame.
        Ids.TryParse(Ids.Subscription, request.Start.SubscriptionId, out var subscription)
            ? AskAsync(subscription, UnaryCall.Authorize, request, unary.AuthorizeAsync, AuthorizeResponse.Parser, ct)
            : unary.AuthorizeAsync(request, ct);

    public Task<ReportResponse> ReportAsync(ReportRequest request, CancellationToken ct) =>
        AskOwnerOfAsync(request.Chunk.GenerationId, UnaryCall.Report, request, unary.ReportAsync, ReportResponse.Parser, ct);

    public Task<SettleResponse> SettleAsync(SettleRequest request, CancellationToken ct) =>
        AskOwnerOfAsync(request.Finish.GenerationId, UnaryCall.Settle, request, unary.SettleAsync, SettleResponse.Parser, ct);

    public Task<Balance> BalanceAsync(GetBalanceRequest request, CancellationToken ct) =>
        AskAsync(Ids.Parse(Ids.Subscription, request.SubscriptionId), UnaryCall.Balance, request, unary.BalanceAsync, Balance.Parser, ct);

    /// <summary>Takes imported generations to their subscription's owner: a Start and a Finish each. Asked twice they are recorded once.</summary>
    public Task<MeterResponse> ImportAsync(Guid subscription, MeterRequest request, CancellationToken ct) =>
        AskAsync(subscription, UnaryCall.Import, request, unary.ImportAsync, MeterResponse.Parser, ct);

    /// <summary>Takes a correction to the writer of its shard. Asked twice it is made once, for its key is kept.</summary>
    public Task<CorrectUsageResponse> CorrectAsync(CorrectionCall call, CancellationToken ct) => PatientlyAsync(async () =>
    {
        if (ledger.Find(ledger.ShardOf(call.Subscription)) is not null) return await desk.CorrectAsync(call, ct);
        var answer = await instances.OwnerOf(call.Subscription).AskAsync(UnaryCall.Correct, JsonSerializer.SerializeToUtf8Bytes(call));
        return answer.Message is { } message ? CorrectUsageResponse.Parser.ParseFrom(message) : throw new Refusal(answer.Reason, answer.Detail).AsException();
    }, ct);

    /// <summary>The heads of all shards, after a report that covers everything queued anywhere before the call: the next that is due.</summary>
    public Task<ShardHead[]> ReportedAsync(CancellationToken ct) => Task.WhenAll(Enumerable.Range(0, ledger.Shards).Select(shard => PatientlyAsync(async () =>
    {
        if (ledger.Find(shard) is { } tenure) return await tenure.Writer.ReportedAsync();
        var head = await instances.HolderOf(shard).ReportedAsync();
        return head.Report < 0 ? throw OwnerMoved.AsException() : new ShardHead(head.Batch, head.Chain, head.Report, head.ReportedBatch, head.ReportedChain);
    }, ct)));

    /// <summary>Tells the owner of new terms, wherever it is, and returns when no owner can go on with old ones.</summary>
    public Task TermsChangedAsync(SubscriptionTerms terms, CancellationToken ct) => PatientlyAsync(async () =>
    {
        var told = owners.TermsChanged(terms) ?? await instances.OwnerOf(terms.Subscription).TermsChangedAsync(JsonSerializer.Serialize(terms));
        await using var connection = await store.DataSource.OpenConnectionAsync(ct);
        var epoch = await UsageStore.Scalar(connection, "select epoch from usage.shard where shard = $1", ct, ledger.ShardOf(terms.Subscription));
        // A later holder may have read the terms before they were stored; an earlier one does not matter.
        return epoch is long current && current == told ? true : throw OwnerMoved.AsException();
    }, ct);

    private async Task<T> AskOwnerOfAsync<TRequest, T>(
        string generationId, UnaryCall call, TRequest request, Func<TRequest, CancellationToken, Task<T>> here, MessageParser<T> parser, CancellationToken ct)
        where TRequest : IMessage
        where T : class, IMessage<T>
    {
        if (!instances.IsClustered || !Ids.TryParse(Ids.Generation, generationId, out var id) || owners.Find(id) is not null) return await here(request, ct);
        // It may have been granted by another instance a moment ago, and its first row be on its way to the table.
        for (var backoff = Backoff.Start; ; backoff = backoff.Next)
        {
            var stored = await repeats.ReadAsync(id, 0, waits: false, ct);
            if (stored.LastSequence is not null) return await AskAsync(stored.Subscription, call, request, here, parser, ct);
            if (backoff.Delay > TimeSpan.FromMilliseconds(200)) return await here(request, ct);
            await backoff.WaitAsync(ct);
        }
    }

    private Task<T> AskAsync<TRequest, T>(
        Guid subscription, UnaryCall call, TRequest request, Func<TRequest, CancellationToken, Task<T>> here, MessageParser<T> parser, CancellationToken ct)
        where TRequest : IMessage
        where T : class, IMessage<T>
        => PatientlyAsync(async () =>
        {
            if (ledger.Find(ledger.ShardOf(subscription)) is not null) return await here(request, ct);
            var answer = await instances.OwnerOf(subscription).AskAsync(call, request.ToByteArray());
            return answer.Message is { } message ? parser.ParseFrom(message) : throw new Refusal(answer.Reason, answer.Detail).AsException();
        }, ct);

    /// <summary>Asks until the owner is found. Everything asked so may be asked twice.</summary>
    private async Task<T> PatientlyAsync<T>(Func<Task<T>> ask, CancellationToken ct)
    {
        var since = Stopwatch.GetTimestamp();
        for (var backoff = Backoff.Start; ; backoff = backoff.Next)
        {
            try
            {
                return await ask().WaitAsync(ct);
            }
            catch (Exception e) when (OwnerMoved.Is(e))
            {
                if (Stopwatch.GetElapsedTime(since).TotalSeconds > options.Value.UnaryWaitSecondsMax || gate.Draining.IsCancellationRequested) throw OwnerMoved.AsException();
            }
            await backoff.WaitAsync(ct);
        }
    }
}
