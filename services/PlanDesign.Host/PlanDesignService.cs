using Contracts.PlanDesign.V1;
using Grpc.Core;
using Marten;
using PlanDesign.Menus;
using PlanDesign.Screening;

namespace PlanDesign.Host;

/// <summary>The gRPC side of plan design: solves for anybody, and keeps the menus that analysts draft, publish and retire.</summary>
public sealed class PlanDesignService(IDocumentStore store, EventStreams streams, IdempotentCalls calls, BoundedSolver solver, BusinessClock clock)
    : Contracts.PlanDesign.V1.PlanDesign.PlanDesignBase
{
    private const int PageSizeDefault = 20, PageSizeMax = 100;

    /// <summary>What is decided on, and what the caller is shown, folded side by side.</summary>
    private sealed record Folded(MenuState State, MenuView? View);

    public override async Task<SolveMenuResponse> SolveMenu(SolveMenuRequest request, ServerCallContext context)
    {
        var units = request.Options?.MinorUnits is { } asked ? DraftMenuDecision.OptionsFor(null, Currency(asked.Currency), asked.ConversationsPerPeriod).MinorUnits : null;
        var solved = await solver.SolveAsync(request.Market.ToMarket(), new(PlansMax(request.Options?.PlansMax ?? 0), units), context.CancellationToken);
        return new() { Solution = solved.ToMessage() };
    }

    public override Task<Menu> DraftMenu(DraftMenuRequest request, ServerCallContext context) => calls.Once<Menu>(context, request, async remember =>
    {
        var (market, currency, plansMax) = (request.Market.ToMarket(), Currency(request.Currency), PlansMax(request.PlansMax));
        if (DraftMenuDecision.Check(request.Name, request.ConversationsPerPeriod, request.Models, market.ValuePerAnswer) is { } wrong) throw wrong.AsException();
        var solved = await solver.SolveAsync(market, DraftMenuDecision.OptionsFor(plansMax, currency, request.ConversationsPerPeriod), context.CancellationToken);

        var at = clock.Now;
        var menuId = Ids.New(Ids.Menu, at);
        var command = new DraftMenu(
            menuId, request.Name, market, plansMax, currency, request.ConversationsPerPeriod, [.. request.Models], solved.Solution, solved.Comparison, at);
        return await Transact(menuId, s => DraftMenuDecision.Decide(command, s), remember, context);
    });

    public override Task<Menu> PublishMenu(PublishMenuRequest request, ServerCallContext context) => calls.Once<Menu>(context, request, remember =>
    {
        var command = new PublishMenu(MenuId(request.MenuId), request.Actor, clock.Now);
        return Transact(command.MenuId, s => PublishMenuDecision.Decide(command, s), remember, context);
    });

    public override Task<Menu> RetireMenu(RetireMenuRequest request, ServerCallContext context) => calls.Once<Menu>(context, request, remember =>
    {
        var command = new RetireMenu(MenuId(request.MenuId), request.Actor, request.Reason, clock.Now);
        return Transact(command.MenuId, s => RetireMenuDecision.Decide(command, s), remember, context);
    });

    public override async Task<Menu> GetMenu(GetMenuRequest request, ServerCallContext context)
    {
        await using var session = store.QuerySession();
        var menuId = MenuId(request.MenuId);
        var view = await session.LoadAsync<MenuView>(menuId, context.CancellationToken);
        return view?.ToMessage() ?? throw new Refusal("menu_not_found", $"there is no menu {menuId}").AsException();
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

    private async Task<Menu> Transact(string menuId, Func<MenuState, Decision<MenuEvent>> decide, Action<IDocumentSession, Menu> remember, ServerCallContext context)
    {
        Folded Fold(Folded f, MenuEvent e) => new(MenuState.Evolve(f.State, e), MenuCatalog.Evolve(f.View, menuId, e));
        var nothing = new Folded(MenuState.Initial, null);
        var answer = new Menu();
        var decision = await streams.Transact<Folded, MenuEvent>(
            menuId, nothing, Fold, f => decide(f.State), context.CancellationToken, (session, f) => remember(session, answer = f.View!.ToMessage()));
        return decision.OrThrow().Events.Count > 0
            ? answer
            : (await streams.Load<Folded, MenuEvent>(menuId, nothing, Fold, context.CancellationToken)).View!.ToMessage();
    }

    private static string MenuId(string text) => Ids.TryParse(Ids.Menu, text, out _) ? text : throw new FormatException($"menu_id '{text}' is not menu_ and 32 lower-case hex digits");

    private static Currency Currency(string code) => Kernel.Currency.TryParse(code, out var currency)
        ? currency
        : throw new FormatException($"currency '{code}' is not an ISO 4217 code known here, such as USD, EUR or JPY");

    private static int? PlansMax(int plans) => plans == 0 ? null : plans;
}
