using System.Text.Json.Serialization;
using PlanDesign.Comparison;
using PlanDesign.Screening;

namespace PlanDesign.Reports;

/// <summary>How much comes in, and what it is served by; nulls where nobody said.</summary>
/// <param name="ConversationsPerSecond">Of the whole market, whether it buys or not.</param>
/// <param name="TokensPerSecondOfGpu">What one GPU generates, over all conversations at once.</param>
/// <param name="CapacityTokensPerSecond">What there is today.</param>
public sealed record Traffic(double? ConversationsPerSecond = null, double? TokensPerSecondOfGpu = null, double? CapacityTokensPerSecond = null)
{
    public const double Max = 1e12;

    public InputFault? Check() =>
        Range("conversationsPerSecond", ConversationsPerSecond, "conversations per second")
        ?? Range("gpuTokensPerSecond", TokensPerSecondOfGpu, "tokens per second")
        ?? Range("capacityTokensPerSecond", CapacityTokensPerSecond, "tokens per second")
        ?? (ConversationsPerSecond is null && (TokensPerSecondOfGpu ?? CapacityTokensPerSecond) is not null
            ? new("conversationsPerSecond", "is missing: a capacity in tokens per second is met by so many conversations per second") : null);

    private static InputFault? Range(string field, double? value, string unit) => value is { } given ? InputFault.Range(field, given, 0, Max, unit) : null;
}

/// <summary>
/// What a capacity earns. Money and tokens per conversation of the whole market, and per second where conversations per second are known. Where the
/// certificate of a menu that it takes does not hold, tokens are those of the capacity and every other figure is null; tokens too where what the market would
/// take is not certified.
/// </summary>
/// <param name="ShareOfDemand">Tokens in parts of those that the market would take without a limit.</param>
/// <param name="ShadowPricePerToken">What one more token of capacity would earn.</param>
public sealed record CapacityRow(
    double ShareOfDemand, double? TokensPerConversation, double? ShadowPricePerToken, double? Profit, double? Revenue, double? ServingCost, double? ShareServed,
    double? TokensPerSecond, double? ProfitPerSecond, double? RevenuePerSecond)
{
    /// <summary>False where a certificate does not hold.</summary>
    [JsonIgnore]
    public bool HasFigures => Profit is not null;

    /// <summary>Why there are no figures; null where there are.</summary>
    [JsonIgnore]
    public string? Notice => HasFigures ? null
        : TokensPerConversation is { } tokens ? FormattableString.Invariant($"the certificate does not hold for the best menus of a capacity of {tokens:G6} tokens a conversation: it has no figures")
        : "the certificate does not hold for the best menu without a limit on capacity: no capacity has figures";

    internal static CapacityRow Without(double shareOfDemand, double? tokens = null, double? conversationsPerSecond = null) =>
        new(shareOfDemand, tokens, null, null, null, null, null, conversationsPerSecond * tokens, null, null);

    internal static CapacityRow Of(CapacityPlan plan, double demandTokens, double? conversationsPerSecond) => new(
        demandTokens > 0 ? plan.Tokens / demandTokens : 0, plan.Tokens, plan.ShadowPricePerToken, plan.Profit, plan.Revenue, plan.ServingCost, plan.ShareServed,
        conversationsPerSecond * plan.Tokens, conversationsPerSecond * plan.Profit, conversationsPerSecond * plan.Revenue);
}

/// <summary>The best menu where a token costs so much. Where its certificate does not hold, every figure but that cost is null.</summary>
public sealed record TokenCostRow(double CostPerToken, double? Profit, double? Revenue, double? ServingCost, double? TokensPerConversation, double? ShareServed)
{
    /// <summary>False where the certificate does not hold.</summary>
    [JsonIgnore]
    public bool HasFigures => Profit is not null;
}

/// <summary>What so many GPUs earn. Where the certificate of a menu for them or for one fewer does not hold, the last three are null.</summary>
/// <param name="OneLessCostsPerSecond">The profit of so many GPUs less that of one fewer, their own price left out; money per second.</param>
/// <param name="Utilisation">The part of their tokens that is generated.</param>
public sealed record GpuRow(int Gpus, double TokensPerSecond, double? Utilisation, double? ProfitPerSecond, double? OneLessCostsPerSecond)
{
    /// <summary>False where a certificate does not hold.</summary>
    [JsonIgnore]
    public bool HasFigures => ProfitPerSecond is not null;
}

/// <summary>
/// Profit, revenue and tokens along capacity, along the cost of a token, and by the number of GPUs. What <c>billing menu frontier --json</c> prints.
/// </summary>
/// <param name="Capacity">From nearly nothing to all that the market would take; empty where the market is not worth serving.</param>
/// <param name="Today">What the capacity of today earns; null where nobody said what it is.</param>
/// <param name="Gpus">From one to as many as the market would fill, thinned where they are many; empty where nobody said what one generates.</param>
public sealed record FrontierReport(
    int? PlansMax, double? ConversationsPerSecond, IReadOnlyList<CapacityRow> Capacity, CapacityRow? Today, IReadOnlyList<TokenCostRow> TokenCosts, IReadOnlyList<GpuRow> Gpus)
{
    /// <summary>Of a menu without plans.</summary>
    public static FrontierReport Nothing { get; } = new(null, null, [], null, [], []);

    private const int GpuRowsMax = 12;
    private const int GpusMax = 1_000_000;
    /// <summary>A sentence for whatever has no figures because a certificate does not hold.</summary>
    public IReadOnlyList<string> Notices { get; init; } = [];

    private static readonly double[] SharesOfDemand = [0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1];
    private static readonly double[] TimesTheCost = [0.25, 0.5, 1, 1.5, 2, 3, 5];

    /// <param name="market">Checked, and whose options are.</param>
    /// <exception cref="ArgumentException">The market, an option or the traffic is refused.</exception>
    public static FrontierReport Of(
        Market market, SolveOptions options, Traffic traffic, IProgress<double>? progress = null, CancellationToken cancellation = default)
    {
        if (traffic.Check() is { } fault) throw new ArgumentException(fault.ToString(), nameof(traffic));
        var frontier = new CapacityFrontier(market, options);
        var (certified, perSecond, done) = (frontier.Demand(cancellation), traffic.ConversationsPerSecond, 0);
        var demandTokens = certified?.Tokens ?? 0;
        T Step<T>(T row)
        {
            progress?.Report(Math.Min(1, (double)++done / (SharesOfDemand.Length + TimesTheCost.Length + GpuRowsMax)));
            return row;
        }
        CapacityRow Row(double tokens) => frontier.Within(tokens, cancellation) is { } plan
            ? CapacityRow.Of(plan, demandTokens, perSecond) : CapacityRow.Without(tokens / demandTokens, tokens, perSecond);

        // From the demand down: what was found of the frontier above a capacity serves those below it.
        var capacity = certified is null ? [.. SharesOfDemand.Reverse().Select(share => Step(CapacityRow.Without(share)))]
            : demandTokens <= 0 ? [] : Reachable(SharesOfDemand.Reverse(), share => Step(Row(share * demandTokens)));
        capacity.Reverse();
        var today = traffic.CapacityTokensPerSecond is { } limit && demandTokens > 0 ? Row(limit / perSecond!.Value) : null;
        var gpus = new List<GpuRow>();
        if (traffic.TokensPerSecondOfGpu is { } each && demandTokens > 0)
        {
            var most = (int)Math.Min(GpusMax, Math.Ceiling(demandTokens * perSecond!.Value / each));
            double? ProfitOf(CapacityPlan? plan) => perSecond!.Value * plan?.Profit;
            CapacityPlan? With(int n) => frontier.Within(n * each / perSecond!.Value, cancellation);
            gpus = Reachable(Thinned(most), n =>
            {
                var plan = With(n);
                var (profit, less) = (ProfitOf(plan), n == 1 ? 0 : ProfitOf(With(n - 1)));
                return Step(profit - less is { } oneLess ? new GpuRow(n, n * each, plan!.Tokens * perSecond!.Value / (n * each), profit, oneLess) : new(n, n * each, null, null, null));
            });
            gpus.Reverse();
        }
        TokenCostRow[] costs = [.. Costs(market, capacity).Select(cost => Step(At(market, options, cost, cancellation)))];
        return new(options.PlansMax, perSecond, capacity, today, costs, gpus) { Notices = [.. WithoutFigures(capacity, today, costs, gpus)] };
    }

    private static IEnumerable<string> WithoutFigures(List<CapacityRow> capacity, CapacityRow? today, TokenCostRow[] costs, List<GpuRow> gpus)
    {
        foreach (var notice in capacity.Append(today).Select(row => row?.Notice).OfType<string>().Distinct()) yield return notice;
        foreach (var row in costs.Where(c => !c.HasFigures))
            yield return FormattableString.Invariant($"the certificate does not hold for the best menu where a token costs {row.CostPerToken:G6}: it has no figures");
        foreach (var row in gpus.Where(g => !g.HasFigures))
            yield return $"the certificate does not hold for the best menus of {row.Gpus} GPUs, or of one less: they have no figures";
    }

    /// <summary>Rows from the top until rules need more tokens than there are.</summary>
    private static List<TRow> Reachable<T, TRow>(IEnumerable<T> downwards, Func<T, TRow> row)
    {
        var rows = new List<TRow>();
        foreach (var at in downwards)
        {
            try
            {
                rows.Add(row(at));
            }
            catch (ArgumentException) when (rows.Count > 0)
            {
                break;
            }
        }
        return rows;
    }

    private static IEnumerable<int> Thinned(int most) =>
        Enumerable.Range(0, Math.Min(most, GpuRowsMax)).Select(n => most - (int)((long)n * most / Math.Min(most, GpuRowsMax))).Distinct();

    /// <summary>Where a token costs nothing, the shadow prices of the capacities.</summary>
    private static IEnumerable<double> Costs(Market market, IReadOnlyList<CapacityRow> capacity) => market.ServingCostPerToken > 0
        ? TimesTheCost.Select(times => times * market.ServingCostPerToken)
        : capacity.Reverse().Where((_, n) => n % 2 == 0).Select(row => row.ShadowPricePerToken).OfType<double>().Distinct();

    private static TokenCostRow At(Market market, SolveOptions options, double cost, CancellationToken cancellation)
    {
        var point = new CapacityFrontier(market with { ServingCostPerToken = cost }, options).Demand(cancellation);
        return new(cost, point?.Profit, point?.Revenue, point?.ServingCost, point?.Tokens, point?.ShareServed);
    }
}
