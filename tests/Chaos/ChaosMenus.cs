using System.Collections.Concurrent;
using Contracts.Billing.V1;
using Contracts.PlanDesign.V1;
using Grpc.Core;

namespace Chaos;

/// <summary>An analyst who drafts and publishes one menu after the other, each call again under its key until it is answered.</summary>
/// <param name="name">unlike that of any other analyst of this company</param>
public sealed class ChaosMenus(Company company, string name) : IAsyncDisposable
{
    private static readonly TimeSpan Pace = TimeSpan.FromSeconds(1), Patience = TimeSpan.FromSeconds(20);

    private readonly CancellationTokenSource _enough = new();
    private Task _running = Task.CompletedTask;

    /// <summary>As plan design answered when it was published, by id.</summary>
    public ConcurrentDictionary<string, Menu> Published { get; } = new(StringComparer.Ordinal);

    public void Start() => _running = Task.Run(PublishAsync);

    /// <summary>Begins no further menu; the last one comes to its end.</summary>
    public async Task FinishAsync()
    {
        await _enough.CancelAsync();
        await Eventually.True(() => _running.IsCompleted, "every menu is published", TimeSpan.FromMinutes(2));
        await _running;
    }

    /// <summary>What was published is on sale once and as it was answered, signature and all, in plan design and in billing's book; and nothing else is.</summary>
    /// <param name="analysts">every one of this company so far</param>
    public static async Task HoldAsync(Company company, IReadOnlyList<ChaosMenus> analysts)
    {
        var published = analysts.SelectMany(a => a.Published).ToDictionary();
        published.Add(company.Menu.MenuId, company.Menu);
        var (onSale, page) = (new List<Menu>(), new ListMenusRequest { PageSize = 100 });
        do
        {
            var answer = await company.Deployment.PlanDesign.ListMenusAsync(page);
            onSale.AddRange(answer.Menus.Where(m => m.Status == MenuStatus.Published));
            page.PageToken = answer.NextPageToken;
        }
        while (page.PageToken != "");
        Assert.Equal(published.Keys.Order(), onSale.Select(m => m.MenuId).Order());
        foreach (var menu in published.Values)
        {
            Assert.Equal(menu, await company.Deployment.PlanDesign.GetMenuAsync(new() { MenuId = menu.MenuId }));
            var terms = await Eventually.Some(async () => await TermsOrNull(company, menu), $"{menu.MenuId} has reached billing");
            Assert.Equal(menu.Plans.Select(p => (p.PlanId, p.PeriodFeeMicros)), terms.Plans.Select(p => (p.PlanId, p.PeriodFeeMicros)));
        }
    }

    private async Task PublishAsync()
    {
        using var pace = new PeriodicTimer(Pace);
        for (var n = 0; !_enough.IsCancellationRequested; n++)
        {
            await pace.WaitForNextTickAsync();
            var called = $"{name} menu {n}";
            var draft = await AnsweredAsync(deadline => company.Deployment.PlanDesign.DraftMenuAsync(Company.Draft(called), Company.Key($"draft {called}"), deadline), pace);
            var menu = await AnsweredAsync(deadline => company.Deployment.PlanDesign.PublishMenuAsync(new() { MenuId = draft.MenuId, Actor = "chaos" }, Company.Key($"publish {called}"), deadline), pace);
            Published[menu.MenuId] = menu;
        }
    }

    private static async Task<Menu> AnsweredAsync(Func<DateTime, AsyncUnaryCall<Menu>> call, PeriodicTimer pace)
    {
        while (true)
        {
            try
            {
                return await call(TimeProvider.System.GetUtcNow().UtcDateTime + Patience);
            }
            catch (RpcException e) when (e.StatusCode is StatusCode.Unavailable or StatusCode.DeadlineExceeded || e.Status.DebugException is IOException or HttpRequestException)
            {
                // It was killed, or its database was: the same again.
                await pace.WaitForNextTickAsync();
            }
        }
    }

    private static async Task<MenuTerms?> TermsOrNull(Company company, Menu menu)
    {
        try
        {
            return await company.Deployment.Billing.GetMenuTermsAsync(new() { MenuId = menu.MenuId });
        }
        catch (RpcException e) when (e.StatusCode == StatusCode.NotFound)
        {
            return null;
        }
    }

    public async ValueTask DisposeAsync()
    {
        await _enough.CancelAsync();
        _enough.Dispose();
    }
}
