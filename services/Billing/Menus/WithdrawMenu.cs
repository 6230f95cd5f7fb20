namespace Billing.Menus;

/// <summary>Takes a menu off sale. Those who subscribed to it keep it.</summary>
public sealed record WithdrawMenu(string MenuId, string Reason, DateTimeOffset At);

public static class WithdrawMenuDecision
{
    public static Decision<MenuEvent> Decide(WithdrawMenu c, MenuState state) => state switch
    {
        MenuState.WithdrawnUnread or MenuState.Received { Withdrawal: not null } => Decision.NoChange,
        _ => Decision.Accept<MenuEvent>(new MenuWithdrawn(c.MenuId, c.Reason, c.At)),
    };
}
