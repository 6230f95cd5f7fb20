using Contracts.PlanDesign.V1;
using Grpc.Core;
using JasperFx.Events;
using Marten;
using PlanDesign.Menus;
using PlanDesign.Reports;
using PlanDesign.Screening;
using MenuSignature = PlanDesign.Menus.MenuSignature;

namespace PlanDesign.Host;

/// <summary>The gRPC side of plan design: solves for anybody, and keeps the menus that analysts draft, publish and retire.</summary>
public sealed class PlanDesignService(
    IDocumentStore store, EventStreams streams, IdempotentCalls calls, BoundedSolver solver, MenuSigner signer, Estimating estimating, BusinessClock clock)
    : Contracts.PlanDesign.V1.PlanDesign.PlanDesignBase
{
    private const int PageSizeDefault = 20, PageSizeMax = 100, RunningPlansMax = 1_000;
    private static readonly TimeSpan ProgressEvery = TimeSpan.FromMilliseconds(250);

    /// <summary>What is decided on, and what the caller is shown, folded side by side.</summary>
    private sealed record Folded(MenuState State, MenuView? View, MenuDrafted? Drafted);

    private sealed class Latest : IProgress<double>
    {
        public double Value { get; private set; }
        public void Report(double value) => Value = value;
    }

    public override async Task SolveMenu(SolveMenuRequest request, IServerStreamWriter<SolveMenuResponse> responseStream, ServerCallContext context)
    {
        var (market, options) = request.Options.ToSolve(request.Market);
        var latest = new Latest();
        var solving = solver.SolveAsync(market, options, latest, context.CancellationToken);
        if (request.ReportProgress)
        {
            do await responseStream.WriteAsync(new() { Progress = latest.Value }, context.CancellationToken);
            while (await Task.WhenAny(solving, Task.Delay(ProgressEvery, context.CancellationToken)) != solving);
        }
        await responseStream.WriteAsync(new() { Solution = (await solving).ToMessage(), Progress = 1 }, context.CancellationToken);
    }

    public override async Task<CompareMenusResponse> CompareMenus(CompareMenusRequest request, ServerCallContext context)
    {
        var (market, options) = request.Options.ToSolve(request.Market);
        var counts = request.PlanCountsMax == 0 ? MenuAnalysis.PlanCountsDefault : request.PlanCountsMax;
        if (counts is < 1 or > MarketLimits.PlansMax) throw new FormatException($"plan_counts_max is {counts}, expected 1 to {MarketLimits.PlansMax}, or 0 for {MenuAnalysis.PlanCountsDefault}");
        var running = await RunningPlans(request, context.CancellationToken);
        return (await solver.AnalyseAsync(market, options, running, counts, context.CancellationToken)).ToMessage();
    }

    public override async Task<Frontier> GetFrontier(GetFrontierRequest request, ServerCallContext context)
    {
        var (market, options) = request.Options.ToSolve(request.Market);
        return (await solver.TraceAsync(market, options, request.ToTraffic(), context.CancellationToken)).ToMessage();
    }

    public override Task<EstimateMarketResponse> EstimateMarket(EstimateMarketRequest request, ServerCallContext context) => estimating.EstimateAsync(request, context.CancellationToken);

    public override Task<Menu> DraftMenu(DraftMenuRequest request, ServerCallContext context) => calls.Once<Menu>(context, request, async remember =>
    {
        var (market, currency, plansMax) = (request.Market.ToMarket(), MarketMessages.CurrencyOf(request.Currency), request.PlansMax == 0 ? null : (int?)request.PlansMax);
        var (constraints, terms) = (request.Constraints.ToConstraints(), request.Terms.ToTerms());
        if (DraftMenuDecision.Check(request.Name, request.ConversationsPerPeriod, request.Models, market.ValuePerAnswer, terms) is { } wrong) throw wrong.AsException();
        var solved = await solver.SolveAsync(market, DraftMenuDecision.OptionsFor(plansMax, currency, request.ConversationsPerPeriod, constraints), null, context.CancellationToken);

        var at = clock.Now;
        var menuId = Ids.New(Ids.Menu, at);
        var command = new DraftMenu(
            menuId, request.Name, market, plansMax, currency, request.ConversationsPerPeriod, [.. request.Models], solved.Solution, solved.Comparison, at)
        {
            Constraints = constraints,
            ConstraintCosts = solved.ConstraintCosts,
            Evidence = request.Evidence,
            Terms = terms,
        };
        return await Transact(menuId, f => DraftMenuDecision.Decide(command, f.State), remember, context);
    });

    public override Task<Menu> PublishMenu(PublishMenuRequest request, ServerCallContext context) => calls.Once<Menu>(context, request, remember =>
    {
        var (menuId, at) = (MenuId(request.MenuId), clock.Now);
        return Transact(menuId, f => PublishMenuDecision.Decide(new(menuId, request.Actor, at, SignFor(menuId, f, request.Actor, at)), f.State), remember, context);
    });

    public override Task<Menu> RetireMenu(RetireMenuRequest request, ServerCallContext context) => calls.Once<Menu>(context, request, remember =>
    {
        var command = new RetireMenu(MenuId(request.MenuId), request.Actor, request.Reason, clock.Now);
        return Transact(command.MenuId, f => RetireMenuDecision.Decide(command, f.State), remember, context);
    });

    public override async Task<Menu> GetMenu(GetMenuRequest request, ServerCallContext context)
    {
        await using var session = store.QuerySession();
        var menuId = MenuId(request.MenuId);
        var view = await session.LoadAsync<MenuView>(menuId, context.CancellationToken);
        var message = view?.ToMessage() ?? throw new Refusal("menu_not_found", $"there is no menu {menuId}").AsException();
        if (!request.IncludeMarket && !request.IncludeSignedDocument) return message;
        var history = await session.Events.FetchStreamAsync(menuId, token: context.CancellationToken);
        // Events say more than views that were stored by an earlier version.
        view = EventStreams.Fold<MenuView?, MenuEvent>(history, null, (v, e) => MenuCatalog.Evolve(v, menuId, e))!;
        message = view.ToMessage();
        if (request.IncludeSignedDocument && view.Signature is { } signature) message.SignedDocument = SignedMenu.Write(DocumentOf(menuId, history), signature);
        return request.IncludeMarket ? message.WithMarket(history.Select(e => e.Data).OfType<MenuDrafted>().Single()) : message;
    }

    public override async Task<ListMenusResponse> ListMenus(ListMenusRequest request, ServerCallContext context)
    {
        if (request.PageSize is < 0 or > PageSizeMax) throw new FormatException($"page_size is {request.PageSize}, expected 1 to {PageSizeMax}, or 0 for {PageSizeDefault}");
        if (request.PageToken.Length > 0 && !Ids.TryParse(Ids.Menu, request.PageToken, out _)) throw new FormatException("page_token is not one that an earlier page gave");
        var size = request.PageSize == 0 ? PageSizeDefault : request.PageSize;

        // Ids begin with their time, so this is newest first. One more than asked for tells whether there is a next page.
        await using var session = store.QuerySession();
        var views = await session.QueryAsync<MenuView>(
            "where (? = '' or id < ?) order by id desc limit ?", context.CancellationToken, request.PageToken, request.PageToken, size + 1);
        return new()
        {
            Menus = { views.Take(size).Select(v => v.ToMessage()) },
            NextPageToken = views.Count > size ? views[size - 1].Id : "",
        };
    }

    private async Task<Menu> Transact(string menuId, Func<Folded, Decision<MenuEvent>> decide, Action<IDocumentSession, Menu> remember, ServerCallContext context)
    {
        Folded Fold(Folded f, MenuEvent e) => new(MenuState.Evolve(f.State, e), MenuCatalog.Evolve(f.View, menuId, e), e as MenuDrafted ?? f.Drafted);
        var nothing = new Folded(MenuState.Initial, null, null);
        var answer = new Menu();
        var decision = await streams.Transact<Folded, MenuEvent>(
            menuId, nothing, Fold, decide, context.CancellationToken, (session, f) => remember(session, answer = f.View!.ToMessage()));
        return decision.OrThrow().Events.Count > 0
            ? answer
            : (await streams.Load<Folded, MenuEvent>(menuId, nothing, Fold, context.CancellationToken)).View!.ToMessage();
    }

    private static string MenuId(string text) => Ids.TryParse(Ids.Menu, text, out _) ? text : throw new FormatException($"menu_id '{text}' is not menu_ and 32 lower-case hex digits");

    /// <summary>The signature is of the terms as this very transaction makes them final.</summary>
    private Func<MenuSignature>? SignFor(string menuId, Folded f, string actor, DateTimeOffset at) =>
        !signer.CanSign ? null : () => signer.Sign(MenuDocument.Of(menuId, f.Drafted!, f.View!.Solution!, actor, at));

    private static MenuDocument DocumentOf(string menuId, IReadOnlyList<IEvent> history)
    {
        T The<T>() => history.Select(e => e.Data).OfType<T>().Single();
        var published = The<MenuPublished>();
        return MenuDocument.Of(menuId, The<MenuDrafted>(), The<MenuSolved>(), published.Actor, published.At);
    }

    private async Task<IReadOnlyList<PlanOffer>> RunningPlans(CompareMenusRequest request, CancellationToken ct)
    {
        if (request.Running.Count > RunningPlansMax) throw new Refusal("market_too_large", $"running has {request.Running.Count} plans, expected at most {RunningPlansMax}").AsException();
        if (request.RunningMenuId.Length == 0) return [.. request.Running.Select(Offer)];
        if (request.Running.Count > 0) throw new FormatException("running_menu_id and running exclude each other: give one of them");
        await using var session = store.QuerySession();
        var view = await session.LoadAsync<MenuView>(MenuId(request.RunningMenuId), ct)
            ?? throw new Refusal("menu_not_found", $"there is no menu {request.RunningMenuId}").AsException();
        return [.. (view.Solution?.Tiers ?? []).Select(t => new PlanOffer(t.CapTokens, t.PricePerConversation))];
    }

    private static PlanOffer Offer(Offer offer) => offer.CapTokens is >= 1 and <= MarketLimits.CapTokensMax && offer.PricePerConversation is >= 0 and <= MarketLimits.MoneyMax
        ? new(offer.CapTokens, offer.PricePerConversation)
        : throw new FormatException(FormattableString.Invariant($"running has a plan of {offer.CapTokens} tokens for {offer.PricePerConversation}: expected 1 to {MarketLimits.CapTokensMax} tokens, and a price from 0"));
}
