using JasperFx.Events.Daemon;
using JasperFx.Events.Projections;
using Marten;
using Marten.Events.Daemon;
using Marten.Events.Daemon.Internals;
using Marten.Subscriptions;
using MassTransit;
using PlanDesign.Menus;
using Announced = Contracts.Messages.MenuPublished;
using AnnouncedRetirement = Contracts.Messages.MenuRetired;
using PublishedCap = Contracts.Messages.PublishedCap;
using PublishedOverage = Contracts.Messages.PublishedOverage;
using PublishedPlan = Contracts.Messages.PublishedPlan;
using PublishedPriceTier = Contracts.Messages.PublishedPriceTier;

namespace PlanDesign.Host;

/// <summary>
/// Announces published menus from the committed log, in order, at least once: the event store is the outbox, and the message's id is its event's.
/// While the broker is away, or no queue is bound for the message yet, it tries again for ever: a menu that billing never hears of cannot be sold.
/// </summary>
public sealed class MenuPublisher : SubscriptionBase
{
    internal const string ShardName = "menu-publisher";
    private readonly IBusControl _bus;
    private readonly IHostApplicationLifetime _lifetime;
    private readonly PlanDesignMetrics _metrics;
    private readonly ILogger<MenuPublisher> _log;

    // Not the store: the store is made with its subscriptions.
    public MenuPublisher(IBusControl bus, IHostApplicationLifetime lifetime, PlanDesignMetrics metrics, ILogger<MenuPublisher> log)
    {
        (_bus, _lifetime, _metrics, _log) = (bus, lifetime, metrics, log);
        Name = ShardName;
        IncludeType<MenuPublished>();
    }

    public override async Task<IChangeListener> ProcessEventsAsync(
        EventRange page, ISubscriptionController controller, IDocumentOperations operations, CancellationToken cancellationToken)
    {
        // A shutdown must not wait for a broker that is away.
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, _lifetime.ApplicationStopping);
        foreach (var e in page.Events)
        {
            if (e.Data is not MenuPublished published) continue;
            await Announcement.UntilHeard(_bus, await Message(operations.DocumentStore, e.StreamKey!, published, stop.Token), e.StreamKey!, "published", e.Id, _log, stop.Token);
            _metrics.Announced();
        }
        return NullChangeListener.Instance;
    }

    /// <summary>The terms are final once published, so the message is the same however often and late it is made.</summary>
    private static async Task<Announced> Message(IDocumentStore store, string menuId, MenuPublished published, CancellationToken ct)
    {
        await using var session = store.QuerySession();
        var history = await session.Events.FetchStreamAsync(menuId, token: ct);
        var view = EventStreams.Fold<MenuView?, MenuEvent>(history, null, (v, e) => MenuCatalog.Evolve(v, menuId, e))!;
        var terms = SaleTerms.Read(view.Terms);
        PublishedOverage[] overage = [.. terms.Overage.Select(Overage)];
        return new(
            menuId, view.Name, view.Currency.Code, view.ConversationsPerPeriod,
            [.. view.Solution!.Tiers.Select(t => new PublishedPlan(
                t.PlanId, t.Name, t.PeriodFee.Value, [.. terms.CapsOf(t.CapTokens, view.ConversationsPerPeriod).Select(Cap)], overage))],
            view.Models, published.At);
    }

    private static PublishedOverage Overage(KindPrice o) => o.Model == KindPrice.PerUnit ? new(o.Kind.Name(), o.PerMillionTokens.ToString()) : new(
        o.Kind.Name(), "", o.Model, o.Tiers.Count == 0 ? null : [.. o.Tiers.Select(t => new PublishedPriceTier(t.UpTo ?? 0, t.PerMillionTokens.ToString()))],
        o.Packages is { } p ? new(p.Tokens, p.PriceMicros) : null);

    private static PublishedCap Cap(Cap cap) => new(cap.Window.Name(), cap.Tokens, [.. cap.Counts.Select(c => c.Name())], cap.Enforcement.Name());
}

/// <summary>
/// Announces retired menus likewise. It is apart from <see cref="MenuPublisher"/> so that a billing that does not listen for retirements yet holds up no
/// menu, and so that what was retired before there was this message is announced too.
/// </summary>
public sealed class MenuRetirementPublisher : SubscriptionBase
{
    internal const string ShardName = "menu-retirement-publisher";
    private readonly IBusControl _bus;
    private readonly IHostApplicationLifetime _lifetime;
    private readonly ILogger<MenuRetirementPublisher> _log;

    public MenuRetirementPublisher(IBusControl bus, IHostApplicationLifetime lifetime, ILogger<MenuRetirementPublisher> log)
    {
        (_bus, _lifetime, _log) = (bus, lifetime, log);
        Name = ShardName;
        IncludeType<MenuRetired>();
    }

    public override async Task<IChangeListener> ProcessEventsAsync(
        EventRange page, ISubscriptionController controller, IDocumentOperations operations, CancellationToken cancellationToken)
    {
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, _lifetime.ApplicationStopping);
        foreach (var e in page.Events)
            if (e.Data is MenuRetired retired)
                await Announcement.UntilHeard(_bus, new AnnouncedRetirement(e.StreamKey!, retired.Reason, retired.At), e.StreamKey!, "retired", e.Id, _log, stop.Token);
        return NullChangeListener.Instance;
    }
}

internal static class Announcement
{
    private static readonly TimeSpan FirstPause = TimeSpan.FromMilliseconds(250), LongestPause = TimeSpan.FromSeconds(5);

    /// <param name="what">What happened to the menu, for the log.</param>
    public static async Task UntilHeard<T>(IBusControl bus, T message, string menuId, string what, Guid eventId, ILogger log, CancellationToken ct) where T : class
    {
        string? lastSaid = null;
        for (var pause = FirstPause; ; pause = pause * 2 < LongestPause ? pause * 2 : LongestPause)
        {
            try
            {
                await bus.PublishConfirmed(message, eventId, mandatory: true, ct);
                return;
            }
            catch (Exception e) when (!ct.IsCancellationRequested)
            {
                var cause = e switch
                {
                    MessageReturnedException => "no queue is bound for it yet: billing, or a version of it that listens for this, has never run on this broker",
                    OperationCanceledException => "the broker does not answer",
                    _ => e.Message,
                };
                if (cause != lastSaid) log.LogWarning("{Menu} is {What} but not announced: {Cause}; trying again until it is", menuId, what, lastSaid = cause);
            }
            await Task.Delay(pause, ct);
        }
    }
}
