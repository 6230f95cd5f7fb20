using System.Diagnostics;
using JasperFx.Events;
using Marten.Events.Aggregation;
using PlanDesign.Menus;

namespace PlanDesign.Host;

/// <summary>A discarded draft is one that is retired without a time of publication, as it is in views stored before that was told apart.</summary>
public enum MenuStanding { Draft, Solved, Published, Retired }

/// <summary>A menu as analysts see it: everything but its market.</summary>
public sealed record MenuView(
    string Id, string Name, MenuStanding Standing, Currency Currency, int ConversationsPerPeriod, IReadOnlyList<string> Models, DateTimeOffset DraftedAt)
{
    public MenuSolved? Solution { get; init; }
    public DateTimeOffset? PublishedAt { get; init; }
    public DateTimeOffset? RetiredAt { get; init; }

    /// <summary>Who took it off sale or discarded it, and why; null also in views stored before they had it, until the stream is folded anew.</summary>
    public string? RetiredBy { get; init; }

    /// <inheritdoc cref="RetiredBy"/>
    public string? RetiredReason { get; init; }
    public bool IsDiscarded => Standing == MenuStanding.Retired && PublishedAt is null;
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
        MenuRetired r => view! with { Standing = MenuStanding.Retired, RetiredAt = r.At, RetiredBy = r.Actor, RetiredReason = r.Reason },
        MenuDiscarded d => view! with { Standing = MenuStanding.Retired, RetiredAt = d.At, RetiredBy = d.Actor, RetiredReason = d.Reason },
        _ => throw new UnreachableException($"no fold for {e.GetType().Name}"),
    };
}
