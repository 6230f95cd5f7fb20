using Usage.Caps;

namespace Usage.Simulation.Tests;

/// <summary>
/// What an instance asks billing about subscriptions that have run out, as TermsSource does in the host: once for all who ask at the same time, and
/// not again for a while if there was nothing newer. Its answer comes late, is lost, or is stored twice.
/// </summary>
internal sealed class TermsAsking(World world, Process instance)
{
    private const int AnswerMsMax = 3_000, AskedAgainMs = 2_000, LookMs = 40;
    private readonly HashSet<Guid> _asking = [];
    private readonly Dictionary<Guid, SubscriptionTerms?> _answers = [];
    private readonly Dictionary<Guid, long> _nothingNewerUntilMs = [];

    /// <returns>null if there is no answer, or no question for it was asked just before</returns>
    public async Task<SubscriptionTerms?> AskAsync(Hold asker, Guid subscription)
    {
        if (_nothingNewerUntilMs.GetValueOrDefault(subscription) > world.Schedule.NowMs) return null;
        if (_asking.Add(subscription)) instance.Run(() => AskNowAsync(subscription));
        while (_asking.Contains(subscription)) await asker.Pause(LookMs);
        return _answers[subscription];
    }

    private async Task AskNowAsync(Guid subscription)
    {
        world.Observer.TermsAsked++;
        var terms = _answers[subscription] = await AnswerAsync(subscription);
        if (terms is null || terms.IsStaleAt(world.Now.Business)) _nothingNewerUntilMs[subscription] = world.Schedule.NowMs + AskedAgainMs;
        _asking.Remove(subscription);
    }

    private async Task<SubscriptionTerms?> AnswerAsync(Guid subscription)
    {
        if (!world.IsCalm && world.Draw.Chance(0.3))
        {
            await instance.Pause(AnswerMsMax);
            return null;
        }
        await instance.Pause(world.Schedule.Delay());
        var (snapshot, kept) = (world.BillingHas(subscription), (SubscriptionTerms?)null);
        await instance.Pause(world.Schedule.Delay());
        if (world.Draw.Chance(0.2)) instance.After(world.Schedule.Delay(), () => world.Keep(snapshot));
        try { await world.Store.WriteAsync(instance, () => kept = world.Keep(snapshot)); }
        catch (StoreLostException) { return null; }
        return kept;
    }
}
