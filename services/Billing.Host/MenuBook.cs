using System.Collections.Concurrent;
using Billing.Menus;
using Marten;

namespace Billing.Host;

/// <summary>The terms of published menus. They never change, so what was read once stays true; whether one is still on sale is read anew.</summary>
public sealed class MenuBook(EventStreams streams)
{
    private readonly ConcurrentDictionary<string, MenuTerms> _known = new();

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
    /// <param name="session">What is not known yet is read through it, and through no other connection: whoever waits for a second one while he holds the first stops everybody.</param>
    public async Task<IReadOnlyDictionary<string, MenuTerms>> Get(IQuerySession session, IEnumerable<string> menuIds, CancellationToken ct)
    {
        var menus = new Dictionary<string, MenuTerms>();
        foreach (var id in menuIds.Distinct()) menus[id] = _known.TryGetValue(id, out var known) ? known : _known.GetOrAdd(id, await Read(session, id, ct));
        return menus;
    }

    private static async Task<MenuTerms> Read(IQuerySession session, string id, CancellationToken ct) =>
        EventStreams.Fold<MenuState, MenuEvent>(await session.Events.FetchStreamAsync(id, token: ct), MenuState.Initial, MenuState.Evolve) is MenuState.Received received
            ? received.Terms
            : throw new InvalidOperationException($"{id} is referred to and not stored");
}
