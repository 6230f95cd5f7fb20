using Contracts.Billing.V1;
using Contracts.Usage.V1;
using Grpc.Core;
using Grpc.Net.Client;
using Microsoft.Extensions.Options;
using PlanDesign.Estimation;

namespace PlanDesign.Host;

/// <summary>What plan design asks of the other services, and only when somebody estimates a market: it starts and serves without them.</summary>
public sealed class Neighbours(IOptions<PlanDesignOptions> options, IOptions<OutgoingOptions> calls) : IDisposable
{
    private static readonly TimeSpan AnswerWithin = TimeSpan.FromSeconds(60);

    private readonly GrpcChannel _usage = calls.Value.Open(options.Value.UsageAddress), _billing = calls.Value.Open(options.Value.BillingAddress);
    private readonly int _most = options.Value.ObservationsMax;

    /// <param name="from">Last activity, inclusive; null is all.</param>
    /// <exception cref="RefusedException">usage_unreachable; usage_refused, which no waiting mends; or market_too_large.</exception>
    public async Task<IReadOnlyList<Estimation.ObservedConversation>> ConversationsAsync(
        Google.Protobuf.WellKnownTypes.Timestamp? from, Google.Protobuf.WellKnownTypes.Timestamp? to, CancellationToken ct)
    {
        var conversations = new List<Estimation.ObservedConversation>();
        try
        {
            using var call = new UsageLedger.UsageLedgerClient(_usage).ListConversationLengths(
                new ListConversationLengthsRequest { From = from, To = to }, deadline: Deadline(), cancellationToken: ct);
            await foreach (var length in call.ResponseStream.ReadAllAsync(ct))
            {
                if (conversations.Count == _most)
                    throw new Refusal("market_too_large", $"usage has more than {_most} conversations in that time (PlanDesign__ObservationsMax): give a shorter one").AsException();
                // Nothing generated and nothing cut is no answer to learn from.
                if (length.GeneratedTokens > 0 || length.Cut)
                    conversations.Add(new((int)Math.Min(length.GeneratedTokens, MarketLimits.CapTokensMax), length.Cut || length.GeneratedTokens > MarketLimits.CapTokensMax, length.PlanId, length.SubscriptionId.Length > 0 ? length.SubscriptionId : null));
            }
            return conversations;
        }
        catch (RpcException e)
        {
            ct.ThrowIfCancellationRequested();
            throw Failed("usage", options.Value.UsageAddress, "PlanDesign__UsageAddress", e);
        }
    }

    /// <summary>Customers by plan of a menu: those who have it, or with a time those who chose it then, whatever became of them since.</summary>
    /// <param name="chosenFrom">Inclusive.</param>
    /// <param name="chosenUntil">Exclusive.</param>
    /// <exception cref="RefusedException">billing_unreachable; billing_refused, which no waiting mends.</exception>
    public async Task<IReadOnlyDictionary<string, long>> CustomersByPlanAsync(
        string menuId, CancellationToken ct, Google.Protobuf.WellKnownTypes.Timestamp? chosenFrom = null, Google.Protobuf.WellKnownTypes.Timestamp? chosenUntil = null)
    {
        try
        {
            var counts = await new Contracts.Billing.V1.Billing.BillingClient(_billing).CountSubscriptionsByPlanAsync(
                new CountSubscriptionsByPlanRequest { MenuId = menuId, ChosenFrom = chosenFrom, ChosenUntil = chosenUntil }, deadline: Deadline(), cancellationToken: ct);
            return counts.Counts.ToDictionary(c => c.PlanId, c => c.Subscriptions);
        }
        catch (RpcException e)
        {
            ct.ThrowIfCancellationRequested();
            throw Failed("billing", options.Value.BillingAddress, "PlanDesign__BillingAddress", e);
        }
    }

    public void Dispose()
    {
        _usage.Dispose();
        _billing.Dispose();
    }

    /// <summary>What passes is over when it answers; what it refuses it refuses again, until somebody changes something.</summary>
    private static Exception Failed(string service, string address, string option, RpcException e) => (e.StatusCode switch
    {
        // A service that stops cancels what it was asked.
        StatusCode.Unavailable or StatusCode.DeadlineExceeded or StatusCode.ResourceExhausted or StatusCode.Aborted or StatusCode.Internal or StatusCode.Unknown or StatusCode.Cancelled =>
            new Refusal($"{service}_unreachable", $"{service} does not answer at {address} ({option}): {e.Status.Detail}"),
        StatusCode.Unauthenticated or StatusCode.PermissionDenied =>
            new Refusal($"{service}_refused", $"{service} at {address} refuses: {e.Status.Detail}; give another key: plan design has it from Calls__Key, the billing command from BILLING_API_KEY"),
        _ => new Refusal($"{service}_refused", $"{service} at {address} ({option}) refuses: {e.Status.Detail}"),
    }).AsException();

    private static DateTime Deadline() => TimeProvider.System.GetUtcNow().UtcDateTime + AnswerWithin;
}
