using Usage.Host.Tests;

namespace RuntimeClient.Tests;

/// <summary>One service for all tests that leave it standing. Each takes subscriptions of its own.</summary>
public sealed class SharedService : IAsyncLifetime
{
    public UsageService Service { get; private set; } = null!;

    public Uri Address => new(Service.Channel.Target.StartsWith("http", StringComparison.Ordinal) ? Service.Channel.Target : $"http://{Service.Channel.Target}");

    public MeterClient Connect(MeterOptions? options = null) => new(Address, options);

    public async Task InitializeAsync() => Service = await UsageService.StartAsync(("Usage:LeaseSeconds", "20"));

    public async Task DisposeAsync() => await Service.DisposeAsync();

    public static GenerationRequest Request(string generation, string subscription, string conversation = "c1", long wanted = 0) => new()
    {
        Id = GenerationId.Derive(Samples.Jan1, generation),
        Subscription = Samples.SubscriptionId(subscription),
        Conversation = conversation,
        Model = "small-model",
        Prompt = new(Input: 12),
        TokensWanted = wanted,
    };

    /// <summary>What the table has of a generation: output, reasoning, overrun, and in how many rows.</summary>
    public async Task<(long Output, long Reasoning, long Overrun)> RecordedAsync(string generation)
    {
        var id = GenerationId.Derive(Samples.Jan1, generation)[4..];
        return (await SumAsync("output"), await SumAsync("reasoning"), await SumAsync("overrun"));
        Task<long> SumAsync(string kind) => Service.ScalarAsync<long>($"select coalesce(sum({kind}), 0) from usage.token_event where generation = '{id}'");
    }

    /// <summary>How a generation ended, as its row says: 1 it was done, 2 at its own limit, 3 at a cap, 4 aborted.</summary>
    public Task<int> FinishOfAsync(string generation) =>
        Service.ScalarAsync<int>($"select finish from usage.generation where generation = '{GenerationId.Derive(Samples.Jan1, generation)[4..]}'");
}

[CollectionDefinition(Name)]
public sealed class OneService : ICollectionFixture<SharedService>
{
    public const string Name = "one service";
}
