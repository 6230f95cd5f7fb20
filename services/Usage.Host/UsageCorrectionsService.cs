using System.Text;
using Contracts.Usage.V1;
using Google.Protobuf;
using Grpc.Core;
using Usage.Host.Cluster;
using Usage.Host.Ledger;
using Usage.Host.Owners;
using Usage.Host.Store;
using Usage.Metering;

namespace Usage.Host;

/// <summary>Corrections by people: signed rows beside what was recorded, with author and reason.</summary>
public sealed class UsageCorrectionsService(UsageStore store, OwnerRoutes routes, ServingGate gate, BusinessClock clock) : UsageCorrections.UsageCorrectionsBase
{
    private const int KeyLengthMax = 128, AuthorBytesMax = 128, ReasonBytesMax = 1_024;
    private const long DeltaMax = 1_000_000_000_000;

    public override async Task<CorrectUsageResponse> AmendUsage(AmendUsageRequest request, ServerCallContext context)
    {
        gate.ThrowUnlessServing();
        var deltas = request.Deltas is { } d ? new Tally(d.Input, d.CachedInput, d.CacheCreation, d.Output, d.Reasoning) : Tally.Zero;
        if (deltas.IsZero && request.OverrunDelta == 0) throw new FormatException("deltas: say what to add (positive) or to take away (negative)");
        if (!InBounds(request.OverrunDelta) || !InBounds(deltas.Input) || !InBounds(deltas.CachedInput) || !InBounds(deltas.CacheCreation) || !InBounds(deltas.Output) || !InBounds(deltas.Reasoning))
            throw new FormatException($"deltas must be from -{DeltaMax} to {DeltaMax}");
        if (request.PeriodId.Length > 0) Ids.Parse(Ids.Period, request.PeriodId);
        if (request.PlanId.Length > 0) Ids.Parse(Ids.Plan, request.PlanId);
        var id = IdOf(context, request.Author, request.Reason);
        if (request.GenerationId.Length > 0)
        {
            var (subscription, conversation) = await OwnerOfAsync(request.GenerationId, context.CancellationToken);
            if (request.SubscriptionId.Length > 0 && Ids.Parse(Ids.Subscription, request.SubscriptionId) != subscription)
                throw new Refusal(Reasons.UsageUnknown, "the generation belongs to another subscription").AsException();
            return await routes.CorrectAsync(new(id, subscription, conversation, IsVoid: false, request.ToByteArray(), clock.Now), context.CancellationToken);
        }
        if (request.SubscriptionId.Length == 0 || request.PeriodId.Length == 0) throw new FormatException("say generation_id, or subscription_id and period_id");
        return await routes.CorrectAsync(new(id, Ids.Parse(Ids.Subscription, request.SubscriptionId), "", IsVoid: false, request.ToByteArray(), clock.Now), context.CancellationToken);
    }

    public override async Task<CorrectUsageResponse> VoidUsage(VoidUsageRequest request, ServerCallContext context)
    {
        gate.ThrowUnlessServing();
        var id = IdOf(context, request.Author, request.Reason);
        var (subscription, conversation) = await OwnerOfAsync(request.GenerationId, context.CancellationToken);
        return await routes.CorrectAsync(new(id, subscription, conversation, IsVoid: true, request.ToByteArray(), clock.Now), context.CancellationToken);
    }

    private async Task<(Guid Subscription, string Conversation)> OwnerOfAsync(string generationId, CancellationToken ct)
    {
        var id = Ids.Parse(Ids.Generation, generationId);
        await using var connection = await store.DataSource.OpenConnectionAsync(ct);
        return await CorrectionReader.OwnerOfAsync(connection, id, ct)
            ?? throw new Refusal(Reasons.UsageUnknown, "nothing is recorded of this generation, or its day was archived elsewhere; check its id, or amend the period it was in").AsException();
    }

    private static CorrectionKey IdOf(ServerCallContext context, string author, string reason)
    {
        var key = context.RequestHeaders.GetValue(IdempotentCalls.Metadata);
        if (key is null || key.Length is 0 or > KeyLengthMax)
            throw new FormatException($"metadata {IdempotentCalls.Metadata} is missing: 1 to {KeyLengthMax} characters, the same for every retry of this correction");
        MustBeText("author", author, AuthorBytesMax);
        MustBeText("reason", reason, ReasonBytesMax);
        return new(Caller.NameOf(context), $"{context.Method}|{key}");
    }

    private static bool InBounds(long delta) => delta is >= -DeltaMax and <= DeltaMax;

    private static void MustBeText(string field, string text, int bytesMax)
    {
        if (string.IsNullOrWhiteSpace(text) || text.Contains('\0', StringComparison.Ordinal) || Encoding.UTF8.GetByteCount(text) > bytesMax)
            throw new FormatException($"{field} must have 1 to {bytesMax} bytes: an auditor will read it");
    }
}
