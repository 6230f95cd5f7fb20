using PlanDesign.Screening;

namespace PlanDesign.Menus;

/// <param name="Sign">Signs the terms as they become final; null where there is no key to sign with.</param>
public sealed record PublishMenu(string MenuId, string Actor, DateTimeOffset At, Func<MenuSignature>? Sign);

public static class PublishMenuDecision
{
    private static readonly string NotCertified = DraftMenuDecision.SnakeCase(nameof(ExitReason.NotCertified));

    public static Decision<MenuEvent> Decide(PublishMenu c, MenuState state) => state switch
    {
        _ when DraftMenuDecision.WrongText("actor", c.Actor) is { } wrong => wrong,
        MenuState.None => Decision.Refuse("menu_not_found", $"there is no menu {c.MenuId}"),
        MenuState.Drafted => Decision.Refuse("menu_not_solved", $"{c.MenuId} has no solution yet"),
        MenuState.Solved s when s.ExitReason == NotCertified =>
            Decision.Refuse("menu_not_certified", $"the certificate of {c.MenuId} does not hold: its market is beyond the solver's precision; scale its numbers and draft again"),
        MenuState.Solved { Tiers: 0 } => Decision.Refuse("menu_empty", $"{c.MenuId} has no plan, for none was found that earns anything: raise the value of an answer, lower the cost or use a smaller unit of money, and draft again"),
        MenuState.Solved when c.Sign is null => Decision.Refuse("signing_key_missing", "this service has no key to sign menus with: set PlanDesign__SigningKey to 64 hex digits (openssl rand -hex 32), keep them secret, and publish again"),
        MenuState.Solved => Decision.Accept<MenuEvent>(new MenuPublished(c.Actor, c.At) { Signature = c.Sign() }),
        MenuState.Published => Decision.NoChange,
        MenuState.Discarded => Decision.Refuse("menu_retired", $"{c.MenuId} was discarded, and does not come back: draft it anew"),
        _ => Decision.Refuse("menu_retired", $"{c.MenuId} was retired, and does not come back: draft a new one"),
    };
}
