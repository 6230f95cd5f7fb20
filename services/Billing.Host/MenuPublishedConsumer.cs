using System.Text.Json;
using Billing.Menus;
using Contracts.Messages;
using Marten;
using MassTransit;

namespace Billing.Host;

/// <summary>Takes a published menu into billing's own history, once.</summary>
public sealed class MenuPublishedConsumer(EventStreams streams, IDocumentStore store, BusinessClock clock, ILogger<MenuPublishedConsumer> log) : IConsumer<MenuPublished>
{
    public const string Queue = "billing-menu-published";

    public Task Consume(ConsumeContext<MenuPublished> context) => Patience.UntilStored(() => Take(context.Message, context.CancellationToken), log, context.CancellationToken);

    private async Task Take(MenuPublished message, CancellationToken ct)
    {
        var refused = Terms(message, out var terms)
            ?? (await streams.Transact<MenuState, MenuEvent>(
                terms!.MenuId, MenuState.Initial, MenuState.Evolve, s => ReceiveMenuDecision.Decide(new(terms), s), ct)).Refused;
        if (refused is not { } refusal) return;
        await using var session = store.LightweightSession();
        session.Store(new ParkedMessage($"MenuPublished/{message.MenuId}", refusal.Code, refusal.Detail, JsonSerializer.Serialize(message), clock.Now));
        await session.SaveChangesAsync(ct);
        log.LogError("the menu {MenuId} is parked and cannot be subscribed to: {Reason}, {Detail}", message.MenuId, refusal.Code, refusal.Detail);
    }

    private static Refusal? Terms(MenuPublished m, out MenuTerms? terms)
    {
        terms = null;
        try
        {
            Ids.Parse(Ids.Menu, m.MenuId);
            foreach (var plan in m.Plans) Ids.Parse(Ids.Plan, plan.PlanId);
            terms = new(m.MenuId, m.Name, Currency.Parse(m.Currency), m.ConversationsPerPeriod, m.Plans.Select(Plan).ToValueList(), m.Models.ToValueList(), m.PublishedAt.ToUniversalTime());
            return null;
        }
        catch (FormatException e)
        {
            return new Refusal("menu_malformed", e.Message);
        }
    }

    private static PlanTerms Plan(PublishedPlan p) => new(
        p.PlanId, p.Name, new Micros(p.PeriodFeeMicros),
        p.Caps.Select(c => new Cap(TokenNames.ParseWindow(c.Window), c.Tokens, c.Counts.Select(TokenNames.ParseKind).ToArray(), TokenNames.ParseEnforcement(c.Enforcement))).ToValueList(),
        p.Overage.Select(o => new OveragePrice(TokenNames.ParseKind(o.Kind), UnitPrice.Parse(o.PerMillionTokens))).ToValueList());
}
