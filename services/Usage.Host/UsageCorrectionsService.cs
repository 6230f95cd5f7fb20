using System.Security.Cryptography;
using System.Text;
using Contracts.Usage.V1;
using Google.Protobuf;
using Grpc.Core;
using Npgsql;
using Usage.Corrections;
using Usage.Host.Owners;
using Usage.Host.Store;
using Usage.Metering;
using Amend = Usage.Corrections.AmendUsage;
using Void = Usage.Corrections.VoidUsage;

namespace Usage.Host;

/// <summary>Corrections by people: signed rows beside what was recorded, with author and reason.</summary>
public sealed class UsageCorrectionsService(UsageStore store, CorrectionDesk desk, ServingGate gate, BusinessClock clock) : UsageCorrections.UsageCorrectionsBase
{
    private const int KeyLengthMax = 128, AuthorBytesMax = 128, ReasonBytesMax = 1_024;
    private const long DeltaMax = 1_000_000_000_000;

    public override async Task<CorrectUsageResponse> AmendUsage(AmendUsageRequest request, ServerCallContext context)
    {
        gate.ThrowUnlessServing();
        var deltas = request.Deltas is { } d ? new Tally(d.Input, d.CachedInput, d.CacheCreation, d.Output, d.Reasoning) : Tally.Zero;
        if (deltas.IsZero && request.OverrunDelta == 0) throw new FormatException("deltas: say what to add (positive) or to take away (negative)");
        if (deltas.AnyAbove(DeltaMax) || (Tally.Zero - deltas).AnyAbove(DeltaMax) || Math.Abs(request.OverrunDelta) > DeltaMax)
            throw new FormatException($"deltas must be from -{DeltaMax} to {DeltaMax}");
        var (period, plan) = (OrNull(Ids.Period, request.PeriodId), OrNull(Ids.Plan, request.PlanId));
        var call = Call(context, request, request.Author, request.Reason);
        var amend = new Amend(period, plan, deltas, request.OverrunDelta, request.Author, request.Reason, call.Id, clock.Now);
        if (request.GenerationId.Length > 0)
            return await CorrectGenerationAsync(call, request.GenerationId, request.SubscriptionId, recorded => AmendUsageDecision.Decide(amend, recorded), context.CancellationToken);

        if (request.SubscriptionId.Length == 0 || period is null) throw new FormatException("say generation_id, or subscription_id and period_id");
        return await desk.CorrectAsync(
            call.Id, call.Sha256, Ids.Parse(Ids.Subscription, request.SubscriptionId), null, period, "", recorded => AmendUsageDecision.Decide(amend, recorded), context.CancellationToken);
    }

    public override Task<CorrectUsageResponse> VoidUsage(VoidUsageRequest request, ServerCallContext context)
    {
        gate.ThrowUnlessServing();
        var call = Call(context, request, request.Author, request.Reason);
        var command = new Void(request.Author, request.Reason, call.Id, clock.Now);
        return CorrectGenerationAsync(call, request.GenerationId, "", recorded => VoidUsageDecision.Decide(command, recorded), context.CancellationToken);
    }

    private async Task<CorrectUsageResponse> CorrectGenerationAsync(
        (string Id, string Sha256) call, string generationId, string subscriptionId, Func<IReadOnlyList<RecordedUse>, Decision<UsageCorrection>> decide, CancellationToken ct)
    {
        var generation = Ids.Parse(Ids.Generation, generationId);
        await using var command = store.DataSource.CreateCommand("select subscription, conversation from usage.generation where generation = $1");
        command.Parameters.Add(new NpgsqlParameter { Value = generation });
        Guid subscription;
        string conversation;
        await using (var reader = await command.ExecuteReaderAsync(ct))
        {
            if (!await reader.ReadAsync(ct))
                throw new Refusal(Reasons.UsageUnknown, "nothing is recorded of this generation, or it is older than the retention; check its id, or amend the period it was in").AsException();
            (subscription, conversation) = (reader.GetGuid(0), reader.GetString(1));
        }
        if (subscriptionId.Length > 0 && Ids.Parse(Ids.Subscription, subscriptionId) != subscription)
            throw new Refusal(Reasons.UsageUnknown, "the generation belongs to another subscription").AsException();
        return await desk.CorrectAsync(call.Id, call.Sha256, subscription, generation, null, conversation, decide, ct);
    }

    private static (string Id, string Sha256) Call(ServerCallContext context, IMessage request, string author, string reason)
    {
        var key = context.RequestHeaders.GetValue(IdempotentCalls.Metadata);
        if (key is null || key.Length is 0 or > KeyLengthMax)
            throw new FormatException($"metadata {IdempotentCalls.Metadata} is missing: 1 to {KeyLengthMax} characters, the same for every retry of this correction");
        MustBeText("author", author, AuthorBytesMax);
        MustBeText("reason", reason, ReasonBytesMax);
        return ($"{context.Method}|{key}", Convert.ToHexStringLower(SHA256.HashData(request.ToByteArray())));
    }

    private static void MustBeText(string field, string text, int bytesMax)
    {
        if (string.IsNullOrWhiteSpace(text) || text.Contains('\0', StringComparison.Ordinal) || Encoding.UTF8.GetByteCount(text) > bytesMax)
            throw new FormatException($"{field} must have 1 to {bytesMax} bytes: an auditor will read it");
    }

    private static Guid? OrNull(string prefix, string id) => id.Length == 0 ? null : Ids.Parse(prefix, id);
}
