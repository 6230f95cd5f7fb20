using System.Diagnostics;
using JasperFx.Events;
using Marten.Events.Aggregation;
using PlanDesign.Menus;

namespace PlanDesign.Host;

public enum MenuStanding { Draft, Solved, Published, Retired }

/// <summary>A menu as analysts see it: everything but its market.</summary>
public sealed record MenuView(
    string Id, string Name, MenuStanding Standing, Currency Currency, int ConversationsPerPeriod, IReadOnlyList<string> Models, DateTimeOffset DraftedAt)
{
    public MenuSolved? Solution { get; init; }
    public DateTimeOffset? PublishedAt { get; init; }
    public DateTimeOffset? RetiredAt { get; init; }
    public string? Evidence { get; init; }
    public string? Terms { get; init; }
    public MenuSignature? Signature { get; init; }
}

/// <summary>Kept in the transaction of the events, so that a menu is listed as soon as it exists.</summary>
public sealed partial class MenuCatalog : SingleStreamProjection<MenuView, string>
{
    public override MenuView? Evolve(MenuView? snapshot, string id, IEvent e) =>
        e.Data is MenuEvent menuEvent ? Evolve(snapshot, id, menuEvent) : snapshot;

    public static MenuView Evolve(MenuView? view, string id, MenuEvent e) => e switch
    {
        MenuDrafted d => new MenuView(id, d.Name, MenuStanding.Draft, d.Currency, d.ConversationsPerPeriod, d.Models, d.At) { Evidence = d.Evidence, Terms = d.Terms },
        MenuSolved s => view! with { Standing = MenuStanding.Solved, Solution = s },
        MenuPublished p => view! with { Standing = MenuStanding.Published, PublishedAt = p.At, Signature = p.Signature },
        MenuRetired r => view! with { Standing = MenuStanding.Retired, RetiredAt = r.At },
        MenuDiscarded d => view! with { Standing = MenuStanding.Retired, RetiredAt = d.At },
        _ => throw new UnreachableException($"no fold for {e.GetType().Name}"),
    };
}
