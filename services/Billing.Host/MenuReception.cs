using Billing.Menus;
using Contracts.Messages;

namespace Billing.Host;

/// <summary>Takes published menus, and that they went off sale, into billing's own history, each once and in either order.</summary>
public sealed class MenuReception(EventStreams streams)
{
    /// <returns>why it cannot be taken; null when it is there, now or already</returns>
    public async Task<Refusal?> Take(MenuPublished message, CancellationToken ct) => Terms(message, out var terms)
        ?? (await streams.Transact<MenuState, MenuEvent>(terms!.MenuId, MenuState.Initial, MenuState.Evolve, s => ReceiveMenuDecision.Decide(new(terms), s), ct)).Refused;

    /// <inheritdoc cref="Take(MenuPublished, CancellationToken)"/>
    public async Task<Refusal?> Take(MenuRetired message, CancellationToken ct) => !Ids.TryParse(Ids.Menu, message.MenuId, out _)
        ? new Refusal("menu_malformed", $"'{message.MenuId}' is not {Ids.Menu}_ and 32 lower-case hex digits")
        : (await streams.Transact<MenuState, MenuEvent>(
            message.MenuId, MenuState.Initial, MenuState.Evolve, s => WithdrawMenuDecision.Decide(new(message.MenuId, message.Reason, message.RetiredAt.ToUniversalTime()), s), ct)).Refused;

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
        p.Overage.Select(Price).ToValueList());

    private static OveragePrice Price(PublishedOverage o) => o.Model switch
    {
        "" or null or "per_unit" => new(TokenNames.ParseKind(o.Kind), UnitPrice.Parse(o.PerMillionTokens)),
        "graduated" or "volume" => OveragePrice.Tiered(
            TokenNames.ParseKind(o.Kind), o.Model == "volume" ? PriceModel.Volume : PriceModel.Graduated,
            (o.Tiers ?? []).Select(t => new PriceTier(t.UpTo == 0 ? null : t.UpTo, UnitPrice.Parse(t.PerMillionTokens))).ToValueList()),
        "package" when o.Package is { } p => OveragePrice.Packaged(TokenNames.ParseKind(o.Kind), new(p.Tokens, new(p.PriceMicros))),
        var other => throw new FormatException($"'{other}' is not a way of pricing that billing knows; deploy a newer billing first"),
    };
}
