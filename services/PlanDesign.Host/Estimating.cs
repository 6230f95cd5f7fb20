using Contracts.PlanDesign.V1;
using Marten;
using Microsoft.Extensions.Options;
using PlanDesign.Estimation;
using PlanDesign.Menus;
using PlanDesign.Screening;
using Solving = PlanDesign.Screening.SolveOptions;

namespace PlanDesign.Host;

/// <summary>Learns a market on behalf of a caller: what she did not send is asked of usage and billing, and the menu on sale says the rest.</summary>
public sealed class Estimating(IDocumentStore store, BoundedSolver solver, Neighbours neighbours, IOptions<PlanDesignOptions> options)
{
    private const int MenusMax = MarketObservations.MenusMax;
    private const double ConfidenceDefault = 0.95;

    private sealed record RunningMenu(MenuDrafted Draft, MenuSolved Solved, Market Market);

    public async Task<EstimateMarketResponse> EstimateAsync(EstimateMarketRequest request, CancellationToken ct)
    {
        var estimation = OptionsOf(request);
        var running = request.MenuId.Length == 0 ? null : await RunningAsync(request.MenuId, ct);
        if (running is null && request.Observations is null) throw Invalid("menu_id is missing: expected the menu on sale, or observations");
        var sent = Sent(request, running);
        var solving = SolvingOf(request, running);
        return await solver.RunAsync(async stop =>
        {
            // A million conversations take memory too, so they are read by those whose turn it is.
            var observed = sent ?? await ReadAsync(request, running!, stop);
            solver.MustFit(observed, estimation.Draws);
            PlanOffer[] plans = running is not null
                ? [.. running.Solved.Tiers.Select(t => new PlanOffer(t.CapTokens, t.PricePerConversation))]
                : observed.Menus.Count == 0 ? [] : [.. observed.Menus[^1].Plans.Select(p => p.Offer)];
            var estimate = MarketEstimation.Of(observed, estimation, null, stop);
            if (estimate.Fault is { } fault) throw Invalid(fault.ToString());
            // What was learned is a market like any other, and may be larger than this service takes.
            if (estimate.IsEstimated) solver.MustFit(estimate.Market!, solving, stop);
            var next = estimate.IsEstimated ? NextMenuOf(estimate, plans, solving, stop) : null;
            var robust = next is { Menu.IsUsable: true } && request.Robust ? RobustMenuOf(estimate, solving, stop) : null;
            return EstimationMessages.ToMessage(observed, estimate, next, robust);
        }, ct);
    }

    private static Estimation.NextMenu NextMenuOf(EstimatedMarket estimate, PlanOffer[] plans, Solving solving, CancellationToken ct)
    {
        var next = Estimation.NextMenu.Of(estimate, plans, solving, null, ct);
        return next.Menu.Fault is { } fault ? throw new Refusal("market_invalid", fault.ToString()).AsException() : next;
    }

    private static Estimation.RobustMenu RobustMenuOf(EstimatedMarket estimate, Solving solving, CancellationToken ct)
    {
        try
        {
            return Estimation.RobustMenu.Of(estimate, solving, null, ct);
        }
        catch (ArgumentException e)
        {
            throw new Refusal("market_invalid", e.Message).AsException();
        }
    }

    private EstimationOptions OptionsOf(EstimateMarketRequest request)
    {
        var draws = request.Draws == 0 ? Math.Min(new EstimationOptions().Draws, options.Value.DrawsMax) : request.Draws;
        if (draws > options.Value.DrawsMax) throw new Refusal("market_too_large", $"draws is {draws}, this service takes at most {options.Value.DrawsMax} (PlanDesign__DrawsMax)").AsException();
        var estimation = new EstimationOptions(EstimationMessages.FitOf(request.Fit), draws, request.Seed == 0 ? 1 : request.Seed, request.Confidence == 0 ? ConfidenceDefault : request.Confidence);
        return estimation.Check() is { } fault ? throw Invalid(fault.ToString()) : estimation;
    }

    private static (double Speed, double Value, double Cost) Known(EstimateMarketRequest request, RunningMenu? running) => (
        request.TokensPerSecond != 0 ? request.TokensPerSecond : running?.Market.TokensPerSecond ?? 0,
        request.ValuePerAnswer != 0 ? request.ValuePerAnswer : running?.Market.ValuePerAnswer ?? 0,
        request.HasServingCostPerToken ? request.ServingCostPerToken : running?.Market.ServingCostPerToken ?? 0);

    /// <summary>What the caller observed herself; null where it is to be read.</summary>
    private MarketObservations? Sent(EstimateMarketRequest request, RunningMenu? running)
    {
        if (request.Observations is not { } sent) return null;
        if (sent.Conversations.Count > options.Value.ObservationsMax)
            throw new Refusal("market_too_large", $"observations.conversations has {sent.Conversations.Count} entries, this service takes at most {options.Value.ObservationsMax} (PlanDesign__ObservationsMax)").AsException();
        if (sent.Menus.Count > MenusMax) throw new Refusal("market_too_large", $"observations.menus has {sent.Menus.Count} entries, expected at most {MenusMax}").AsException();
        var (speed, value, cost) = Known(request, running);
        return sent.ToObservations(speed, value, cost);
    }

    private async Task<MarketObservations> ReadAsync(EstimateMarketRequest request, RunningMenu running, CancellationToken ct)
    {
        var (speed, value, cost) = Known(request, running);
        var conversations = await neighbours.ConversationsAsync(request.From, request.To, ct);
        var customers = await neighbours.CustomersByPlanAsync(request.MenuId, ct);
        return new(
            conversations,
            [new([.. running.Solved.Tiers.Select(t => new Estimation.PlanBought(t.PlanId, t.CapTokens, t.PricePerConversation, customers.GetValueOrDefault(t.PlanId)))],
                request.HasCustomersWithoutPlan ? request.CustomersWithoutPlan : null)],
            speed, value, cost);
    }

    /// <summary>The next menu is one like the running one, but for what the caller says otherwise.</summary>
    private static Solving SolvingOf(EstimateMarketRequest request, RunningMenu? running)
    {
        var rules = running?.Draft.Constraints is { } json ? Screening.Constraints.MenuConstraintsJson.Read(json) : null;
        var like = running is null ? new Solving() : DraftMenuDecision.OptionsFor(running.Draft.PlansMax, running.Draft.Currency, running.Draft.ConversationsPerPeriod, rules);
        if (request.Options is not { } options) return like;
        var solving = like with
        {
            PlansMax = options.PlansMax == 0 ? like.PlansMax : options.PlansMax,
            MinorUnits = options.MinorUnits is { } asked ? new(Math.Pow(10, -MarketMessages.CurrencyOf(asked.Currency).Digits), asked.ConversationsPerPeriod) : like.MinorUnits,
            Constraints = options.Constraints is { } constraints ? constraints.ToConstraints() : like.Constraints,
        };
        return solving.Check() is { } fault ? throw new Refusal("market_invalid", fault.ToString()).AsException() : solving;
    }

    private async Task<RunningMenu> RunningAsync(string menuId, CancellationToken ct)
    {
        if (!Ids.TryParse(Ids.Menu, menuId, out _)) throw new FormatException($"menu_id '{menuId}' is not menu_ and 32 lower-case hex digits");
        await using var session = store.QuerySession();
        var history = (await session.Events.FetchStreamAsync(menuId, token: ct)).Select(e => e.Data).ToArray();
        var (draft, solved) = (history.OfType<MenuDrafted>().FirstOrDefault(), history.OfType<MenuSolved>().FirstOrDefault());
        if (draft is null || solved is null) throw new Refusal("menu_not_found", $"there is no menu {menuId}").AsException();
        return new(draft, solved, MarketJson.Read(draft.Market).Market ?? throw new InvalidOperationException($"the stored market of {menuId} cannot be read"));
    }

    private static Exception Invalid(string detail) => new Refusal("observations_invalid", detail).AsException();
}
