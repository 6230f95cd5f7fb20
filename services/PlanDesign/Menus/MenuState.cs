using System.Diagnostics;

namespace PlanDesign.Menus;

/// <summary>Where a menu stands: draft → solved → published → retired, or solved → discarded, and never back. Only what a decision needs.</summary>
public abstract record MenuState
{
    public sealed record None : MenuState;
    public sealed record Drafted(MenuDrafted Draft) : MenuState;
    public sealed record Solved(MenuDrafted Draft, string ExitReason, int Tiers) : MenuState;
    public sealed record Published(MenuDrafted Draft) : MenuState;
    public sealed record Retired(MenuDrafted Draft) : MenuState;
    public sealed record Discarded(MenuDrafted Draft) : MenuState;

    public static MenuState Initial { get; } = new None();

    public static MenuState Evolve(MenuState state, MenuEvent e) => (state, e) switch
    {
        (None, MenuDrafted d) => new Drafted(d),
        (Drafted s, MenuSolved e1) => new Solved(s.Draft, e1.ExitReason, e1.Tiers.Count),
        (Solved s, MenuPublished) => new Published(s.Draft),
        (Published s, MenuRetired) => new Retired(s.Draft),
        (Solved s, MenuDiscarded) => new Discarded(s.Draft),
        _ => throw new UnreachableException($"{e.GetType().Name} cannot follow {state.GetType().Name}: the stream is corrupt"),
    };
}
