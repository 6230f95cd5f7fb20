namespace PlanDesign.Menus;

/// <summary>Takes a published menu off sale, or discards a draft that nobody will publish.</summary>
public sealed record RetireMenu(string MenuId, string Actor, string Reason, DateTimeOffset At);

public static class RetireMenuDecision
{
    public static Decision<MenuEvent> Decide(RetireMenu c, MenuState state) => state switch
    {
        _ when DraftMenuDecision.WrongText("actor", c.Actor) is { } wrong => wrong,
        _ when DraftMenuDecision.WrongText("reason", c.Reason) is { } wrong => wrong,
        MenuState.None => Decision.Refuse("menu_not_found", $"there is no menu {c.MenuId}"),
        MenuState.Published => Decision.Accept<MenuEvent>(new MenuRetired(c.Actor, c.Reason, c.At)),
        MenuState.Solved => Decision.Accept<MenuEvent>(new MenuDiscarded(c.Actor, c.Reason, c.At)),
        MenuState.Retired or MenuState.Discarded => Decision.NoChange,
        _ => Decision.Refuse("menu_not_solved", $"{c.MenuId} has no solution yet"),
    };
}
