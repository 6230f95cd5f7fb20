using Billing.Periods;
using Usage.Caps;

namespace Usage.Simulation.Tests;

/// <summary>The broker did not confirm, or no queue took the message: it may be in the queue all the same.</summary>
internal sealed class BrokerLostException : Exception;

/// <summary>
/// RabbitMQ as the product leans on it: messages of one connection arrive in order, or those after a break do not; confirms get lost; one is refused, and those behind it are taken all the same; a mandatory
/// message that no queue takes comes back. What is taken stays until billing has acknowledged it, but for a message now and then that the broker loses.
/// </summary>
internal sealed class Broker(World world, long declaredAtMs)
{
    private readonly List<UsageReport> _unacknowledged = [];

    private Draw Draw => world.Draw;
    private bool IsDeclared => world.Schedule.NowMs >= declaredAtMs;

    /// <summary>The first tells whether the broker is there; those that follow go out one by one, and are confirmed together.</summary>
    /// <returns>how many, from the first on, it has confirmed</returns>
    public async Task<int> PublishAsync(Process client, UsageReport[] reports)
    {
        if (await SendAsync(client, reports[..1], Queue) == 0) throw new BrokerLostException();
        return 1 + await SendAsync(client, reports[1..], Queue);
    }

    public async Task PublishAsync(Process client, ThresholdCrossing[] crossings)
    {
        if (await SendAsync(client, crossings, Hear) < crossings.Length) throw new BrokerLostException();
    }

    public void Acknowledge(UsageReport report)
    {
        if (world.IsCalm || !Draw.Chance(0.05)) _unacknowledged.Remove(report);
        else Deliver(report);
    }

    /// <summary>Billing's process is another one: what the last had not acknowledged comes again.</summary>
    public void Redeliver()
    {
        foreach (var report in _unacknowledged) Deliver(report);
    }

    private async Task<int> SendAsync<T>(Process client, T[] messages, Func<T, bool, bool> take)
    {
        if (messages.Length == 0) return 0;
        var (arriving, confirmed) = (messages.Length, 0);
        var answer = new TaskCompletionSource();
        if (world.Faults.BrokerFails()) arriving = Draw.Int(0, messages.Length - 1);
        // One is refused now and then; some of those behind it are handed over already.
        var refused = world.Faults.BrokerRefuses() ? Draw.Int(0, messages.Length - 1) : messages.Length;
        if (refused < arriving) arriving = Draw.Int(refused, arriving);
        world.Schedule.After(world.Schedule.Delay(), () =>
        {
            var taken = 0;
            for (var i = 0; i < arriving; i++)
                if (i != refused)
                {
                    if (!take(messages[i], i > refused)) break;
                    taken++;
                }
            taken = world.Mutation == Mutation.RefusalOverheard && refused < arriving ? messages.Length : Math.Min(taken, refused);
            confirmed = world.Faults.BrokerFails() ? Draw.Int(0, taken) : taken;
            client.After(world.Schedule.Delay(), answer.SetResult);
        });
        await answer.Task;
        return confirmed;
    }

    /// <summary>Taken for good; false if no queue is there to take it.</summary>
    private bool Queue(UsageReport report, bool isAfterRefused)
    {
        if (!IsDeclared) return world.Mutation == Mutation.ReportsNotMandatory;
        world.Observer.Publishing.Queued(report, isAfterRefused);
        if (!world.IsCalm && Draw.Chance(0.01)) return true;
        _unacknowledged.Add(report);
        Deliver(report);
        return true;
    }

    private bool Hear(ThresholdCrossing crossing, bool isAfterRefused)
    {
        world.Observer.Publishing.Heard(crossing);
        return true;
    }

    private void Deliver(UsageReport report)
    {
        var billing = world.Billing;
        billing.After(world.Schedule.Delay(), () => billing.Run(() => billing.ConsumeAsync(report)));
    }
}
