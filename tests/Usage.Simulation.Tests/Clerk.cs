using Usage.Metering;

namespace Usage.Simulation.Tests;

/// <summary>
/// Somebody who corrects usage, as people and their scripts do: each correction under its own key, asked for until it is answered, now and then twice at
/// once, and again after it was answered.
/// </summary>
internal sealed class Clerk(World world) : Process(world.Schedule)
{
    private const int SilentMs = 4_000;

    private sealed record Wish(CorrectionCall Call)
    {
        public CorrectionAnswer? Answer { get; set; }
        public bool AskedAgain { get; set; }
    }

    private readonly List<Wish> _wishes = [];

    public bool IsDone => _wishes.TrueForAll(w => w.Answer is not null);

    /// <summary>Thinks of a correction, right or impossible, mostly of a generation of which something is recorded.</summary>
    public void Correct(IReadOnlyList<RuntimeGeneration> generations)
    {
        List<RuntimeGeneration> recorded = [.. generations.Where(g => world.Store.Generations.ContainsKey(g.Header.Id))];
        var generation = world.Draw.Of(recorded.Count > 0 && world.Draw.Chance(0.9) ? recorded : generations).Header;
        var key = $"k{_wishes.Count}";
        var now = world.Now.Business;
        var period = world.TermsOf(generation.Subscription).PeriodAt(now).Id;
        var call = world.Draw.Int(0, 9) switch
        {
            < 4 => new CorrectionCall(key, generation.Subscription, generation, null, IsVoid: true, Tally.Zero, 0, now),
            < 8 => new CorrectionCall(key, generation.Subscription, generation, world.PeriodTurns && world.Draw.Chance(0.5) ? period : null, IsVoid: false, Deltas(), world.Draw.Chance(0.2) ? world.Draw.Int(-3, 3) : 0, now),
            _ => new CorrectionCall(key, generation.Subscription, null, period, IsVoid: false, Deltas(), 0, now),
        };
        var wish = new Wish(call);
        _wishes.Add(wish);
        Ask(wish);
        if (world.Draw.Chance(0.2)) Ask(wish);
    }

    private Tally Deltas() => new(world.Draw.Chance(0.3) ? world.Draw.Int(-4, 4) : 0, 0, 0, world.Draw.Int(-20, 15), world.Draw.Chance(0.3) ? world.Draw.Int(-5, 5) : 0);

    private void Ask(Wish wish)
    {
        var (instance, call) = (world.AnyInstance(), wish.Call with { At = world.Now.Business });
        if (world.Schedule.IsTold) world.Tell($"{call.Key} asks {instance} to {(call.IsVoid ? "void" : $"add {call.Deltas} to")} {(call.Generation is { } generation ? world.Name(generation.Id) : "a period")}");
        instance.After(world.Schedule.Delay(), () => instance.Receive(call, answer =>
        {
            if (world.IsCalm || !world.Draw.Chance(0.1)) After(world.Schedule.Delay(), () => Hear(wish, answer));
        }));
        After(SilentMs, () =>
        {
            if (wish.Answer is null) Ask(wish);
        });
    }

    private void Hear(Wish wish, CorrectionAnswer answer)
    {
        if (answer == CorrectionAnswer.Unknown) return;
        if (world.Schedule.IsTold) world.Tell($"{wish.Call.Key} hears {answer.Refused ?? $"of {answer.Corrections!.Count} corrections"}");
        // A refusal is not kept: of two that were on their way at once the later may succeed, and its answer come first.
        if (wish.Answer is { Corrections: { } first })
        {
            if (answer.Corrections is { } again && !first.Select(c => c.Id).SequenceEqual(again.Select(c => c.Id))) throw new ViolationException($"{wish.Call.Key} was answered twice, and not the same");
            return;
        }
        wish.Answer = answer;
        if (answer.Corrections is not null) world.Observer.Corrections.Answered(wish.Call, answer.Corrections);
        if (wish.AskedAgain || !world.Draw.Chance(0.3)) return;
        wish.AskedAgain = true;
        After(world.Draw.Int(10, 3_000), () => Ask(wish));
    }
}
