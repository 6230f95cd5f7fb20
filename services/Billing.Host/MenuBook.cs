using System.Collections.Concurrent;
using Billing.Menus;
using Marten;

namespace Billing.Host;

/// <summary>The terms of published menus. They never change, so what was read once stays true; whether one is still on sale is read anew.</summary>
public sealed class MenuBook(EventStreams streams)
{
    private readonly ConcurrentDictionary<string, MenuTerms> _known = new();

    public async Task<MenuTerms?> Find(string menuId, CancellationToken ct)
    {
        if (_known.TryGetValue(menuId, out var known)) return known;
        return await State(menuId, ct) is MenuState.Received received ? _known.GetOrAdd(menuId, received.Terms) : null;
    }

    public Task<MenuState> State(string menuId, CancellationToken ct) => streams.Load<MenuState, MenuEvent>(menuId, MenuState.Initial, MenuState.Evolve, ct);

    /// <summary>Those of the menus that are off sale.</summary>
    public async Task<IReadOnlyDictionary<string, MenuWithdrawal>> Withdrawn(IEnumerable<string> menuIds, CancellationToken ct)
    {
        var withdrawn = new Dictionary<string, MenuWithdrawal>();
        foreach (var id in menuIds.Distinct())
            if (await State(id, ct) is MenuState.Received { Withdrawal: { } withdrawal }) withdrawn[id] = withdrawal;
        return withdrawn;
    }

    /// <summary>Menus that something stored refers to; one that is missing is a corrupt store.</summary>
    public async Task<IReadOnlyDictionary<string, MenuTerms>> Get(IEnumerable<string> menuIds, CancellationToken ct)
    {
        var menus = new Dictionary<string, MenuTerms>();
        foreach (var id in menuIds.Distinct())
            menus[id] = await Find(id, ct) ?? throw new InvalidOperationException($"{id} is referred to and not stored");
        return menus;
    }
}
