using Cli;
using Cli.Demo;
using Contracts.Billing.V1;
using Grpc.Core;

namespace EndToEnd.Tests;

/// <summary>Several runtime workers that serve conversations, of which many would go past their cap and some have two turns.</summary>
public sealed class Load
{
    private const int Workers = 3, ConversationsAtOnce = 96;
    private readonly Company _company;
    private readonly ModelRuntime[] _runtimes;
    private readonly PlannedConversation[] _conversations;
    private int _served;

    /// <param name="meter">the connection of each runtime worker; null: to the one usage service</param>
    public Load(Company company, IEnumerable<Subscription> subscriptions, int conversationsEach, int seed, Func<CallInvoker>? meter = null)
    {
        _company = company;
        var random = new Random(seed);
        _runtimes = [.. Enumerable.Range(0, Workers).Select(w => new ModelRuntime(meter?.Invoke() ?? company.Deployment.NewMeter(), seed + w, ConversationsAtOnce, () => company.Now))];
        _conversations = [..
            from chat in Enumerable.Range(0, conversationsEach)
            from subscription in subscriptions
            let turns = Enumerable.Range(0, random.Next(1, 3)).Select(_ => new ObservedConversation(random.Next(0, 50), random.Next(1, 500))).ToArray()
            select new PlannedConversation(subscription.SubscriptionId, $"chat-{seed}-{chat}", turns)];
    }

    public int Conversations => _conversations.Length;
    public int Served => Volatile.Read(ref _served);

    /// <summary>The tokens of every generation, as the runtimes counted them and had them acknowledged.</summary>
    public IReadOnlyDictionary<string, long> Acknowledged => new SortedDictionary<string, long>(_runtimes.SelectMany(r => r.Tally.Acknowledged).ToDictionary());

    public async Task ServeAsync()
    {
        try
        {
            await Task.WhenAll(_runtimes.Select((runtime, worker) => Task.Run(() =>
                runtime.ServeAsync(_conversations.Where((_, n) => n % Workers == worker), () => Interlocked.Increment(ref _served), CancellationToken.None))));
        }
        catch (UserException e)
        {
            // What the services were doing is gone with them when the test ends.
            throw new UserException($"{e.Message}\n{await _company.LastSaidAsync()}");
        }
    }

    /// <summary>Until this share of the conversations has been served; a fault of the load itself comes out here.</summary>
    public async Task ReachesAsync(double share, Task serving)
    {
        await Eventually.True(() => serving.IsCompleted || Served >= share * Conversations, $"{share:P0} of {Conversations} conversations are served (so far {Served})", TimeSpan.FromMinutes(2));
        if (serving.IsFaulted) await serving;
    }
}
