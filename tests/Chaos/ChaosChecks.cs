using Contracts.Billing.V1;
using Contracts.Usage.V1;
using Grpc.Core;

namespace Chaos;

/// <summary>What must hold when all is calm, whatever was killed before: judged from outside, by what clients were told and what anybody may ask.</summary>
public static class ChaosChecks
{
    /// <param name="loads">every load of this company, the last one with these <paramref name="subscriptions"/></param>
    /// <param name="stolen">what thieves generated beyond their grants and within, by generation</param>
    /// <param name="lease">of a grant</param>
    public static async Task<Books> HoldAsync(Company company, IReadOnlyList<Subscription> subscriptions, IReadOnlyList<ChaosLoad> loads, IReadOnlyDictionary<string, long> stolen, TimeSpan lease)
    {
        await NothingIsHeldAsync(company, subscriptions);
        await RoomIsGrantedAsync(company, subscriptions, loads[^1]);
        var books = await Books.ReadAsync(company.Deployment.Ledger); // U5, and the chain
        CapsHeld(company, subscriptions, books);
        NothingGrantedIsOverrun(company, subscriptions, books, loads[^1], lease);
        AcknowledgedIsRecordedOnce(books, loads, stolen);
        Assert.Equal(books.ByRows, books.ByReports); // U4
        await BillingAgreesAsync(company);
        return books;
    }

    /// <summary>U6: what was reserved has ended. A reservation that ends twice would free what others hold, and show as one that never ends.</summary>
    private static Task NothingIsHeldAsync(Company company, IReadOnlyList<Subscription> subscriptions) => Eventually.True(async () =>
    {
        foreach (var subscription in subscriptions)
            if ((await BalanceAsync(company, subscription)).Any(w => w.ReservedTokens != 0)) return false;
        return true;
    }, "U6: every reservation has ended");

    /// <summary>U2: with nothing held, a generation is denied only where the cap is used up.</summary>
    private static async Task RoomIsGrantedAsync(Company company, IReadOnlyList<Subscription> subscriptions, ChaosLoad load)
    {
        foreach (var subscription in subscriptions)
        {
            var room = (await BalanceAsync(company, subscription)).Where(w => w.Window != "conversation").All(w => w.UsedTokens < w.CapTokens);
            Assert.True(room == await load.MayStartAsync(subscription.SubscriptionId), $"U2: {subscription.SubscriptionId} {(room ? "has room and is denied" : "has no room and is granted tokens")}");
        }
    }

    private static void CapsHeld(Company company, IReadOnlyList<Subscription> subscriptions, Books books)
    {
        var caps = subscriptions.ToDictionary(s => s.SubscriptionId, s => company.CapOf(s.SubscriptionId, subscriptions));
        var used = books.Rows.Where(r => caps.ContainsKey(r.SubscriptionId)).ToLookup(r => r.SubscriptionId);
        foreach (var (subscription, cap) in caps)
        {
            Assert.True(Used(used[subscription]) <= cap * Company.ConversationsPerPeriod, $"U1: {subscription} has used {Used(used[subscription])} of {cap * Company.ConversationsPerPeriod} in its period");
            foreach (var conversation in used[subscription].GroupBy(r => r.Conversation))
                Assert.True(Used(conversation) <= cap, $"U1: {subscription} has used {Used(conversation)} of {cap} in {conversation.Key}");
        }
    }

    /// <summary>
    /// U1 by what the runtimes generated: an owner that grants what a lost one had granted already would book the excess as overrun, and the sums above would hold.
    /// Only whose tokens were not acknowledged for as long as a lease may have lost their room.
    /// </summary>
    private static void NothingGrantedIsOverrun(Company company, IReadOnlyList<Subscription> subscriptions, Books books, ChaosLoad load, TimeSpan lease)
    {
        var inTime = load.Generated.Where(g => g.Value.Took < lease).ToDictionary();
        var overrun = books.Rows.Where(r => r.OverrunTokens > 0 && inTime.ContainsKey(r.GenerationId)).Select(r => $"{r.OverrunTokens} of {r.GenerationId} in {r.Conversation} of {r.SubscriptionId}, of {inTime[r.GenerationId].Tokens} that took {inTime[r.GenerationId].Took.TotalSeconds:0.0} s").ToArray();
        Assert.True(overrun.Length == 0, $"U1: tokens were granted, generated and acknowledged within a lease, and are overrun: {string.Join("; ", overrun)}");
        foreach (var period in inTime.Values.GroupBy(t => t.Request.Subscription))
        {
            var cap = company.CapOf(period.Key, subscriptions);
            Assert.True(period.Sum(t => t.Tokens) <= cap * Company.ConversationsPerPeriod, $"U1: runtimes generated {period.Sum(t => t.Tokens)} tokens of {period.Key}, whose period has {cap * Company.ConversationsPerPeriod}");
            foreach (var conversation in period.GroupBy(t => t.Request.Conversation))
                Assert.True(conversation.Sum(t => t.Tokens) <= cap, $"U1: runtimes generated {conversation.Sum(t => t.Tokens)} of {cap} tokens in {conversation.Key} of {period.Key}");
        }
    }

    /// <summary>U3: what the clients know is what the table has, token for token, and nothing else is in it.</summary>
    private static void AcknowledgedIsRecordedOnce(Books books, IReadOnlyList<ChaosLoad> loads, IReadOnlyDictionary<string, long> stolen)
    {
        var imported = loads.SelectMany(l => l.Imported).ToDictionary();
        var recorded = books.Rows.GroupBy(r => r.GenerationId).ToDictionary(g => g.Key, g => g.OrderBy(r => r.Sequence).ToArray());
        foreach (var (id, rows) in recorded) Assert.True(rows.Select((r, n) => r.Sequence == n).All(inOrder => inOrder), $"U3: {id} has the sequences {string.Join(' ', rows.Select(r => r.Sequence))}");

        var events = recorded.Where(g => imported.ContainsKey(g.Value[0].Conversation)).ToLookup(g => g.Value[0].Conversation, g => g.Value);
        foreach (var (conversation, tokens) in imported)
            Assert.True(events[conversation].Count() == 1 && Tokens(events[conversation].Single()) == tokens, $"U3: the event {conversation} of {tokens} tokens is recorded as {string.Join(" and ", events[conversation].Select(Tokens))}");

        var generated = loads.SelectMany(l => l.Generated).ToDictionary();
        foreach (var (id, (_, tokens, _)) in generated)
        {
            Assert.True(recorded.TryGetValue(id, out var rows) && Tokens(rows) == tokens, $"U3: {id} of {tokens} tokens is recorded as {(rows is null ? "nothing" : $"{Tokens(rows)}")}");
            var prompt = rows!.Sum(r => r.Tokens.Input);
            Assert.True(prompt == ChaosLoad.PromptTokens, $"U3: {id} has a prompt of {prompt}");
        }
        foreach (var (id, tokens) in stolen) Assert.True(recorded.TryGetValue(id, out var rows) && Tokens(rows) == tokens, $"U3: {id}, a thief's, of {tokens} tokens is recorded as {(rows is null ? "nothing" : $"{Tokens(rows)}")}");
        Assert.True(stolen.Count == 0 || stolen.Keys.Sum(id => recorded[id].Sum(r => r.OverrunTokens)) > 0, "what was generated beyond its grants is overrun");
        var forsaken = loads.SelectMany(l => l.Forsaken).ToDictionary();
        var unknown = recorded.Where(g => !generated.ContainsKey(g.Key) && !stolen.ContainsKey(g.Key) && !(forsaken.ContainsKey(g.Key) && Tokens(g.Value) == 0) && !imported.ContainsKey(g.Value[0].Conversation)).Select(g => $"{g.Key} ({g.Value[0].Conversation}, {Tokens(g.Value)} tokens)").ToArray();
        Assert.True(unknown.Length == 0, $"U3: recorded, and acknowledged to nobody: {string.Join(", ", unknown)}");
    }

    /// <summary>Billing has applied every report, each once: it follows every token from usage's rows to its own events.</summary>
    private static Task BillingAgreesAsync(Company company) => Eventually.True(async () =>
    {
        using var call = company.Deployment.Audit.Reconcile(new());
        var parts = await call.ResponseStream.ReadAllAsync().ToListAsync();
        var differences = parts.Where(p => p.Difference is not null).Select(p => p.Difference.Detail).ToArray();
        if (differences.Length > 0) throw new InvalidOperationException($"billing's books differ: {string.Join("; ", differences)}");
        return parts[^1].Summary is { WaitingReports: 0 } summary && summary.RecordedTokens == summary.AppliedTokens;
    }, "billing has applied every report once", TimeSpan.FromMinutes(2));

    private static async Task<IEnumerable<WindowBalance>> BalanceAsync(Company company, Subscription subscription) =>
        (await company.Deployment.Ledger.GetBalanceAsync(new() { SubscriptionId = subscription.SubscriptionId })).Windows;

    private static long Used(IEnumerable<EventRow> rows) => rows.Sum(r => r.Tokens.Output + r.Tokens.Reasoning);
    private static long Tokens(EventRow[] rows) => rows.Sum(r => r.Tokens.Output + r.Tokens.Reasoning + r.OverrunTokens);
}
