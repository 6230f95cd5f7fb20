using System.Collections.Concurrent;
using System.Runtime.CompilerServices;
using Microsoft.Extensions.AI;
using RuntimeClient.Chat;
using Usage.Host.Tests;

namespace RuntimeClient.Tests;

/// <summary>What a model has thought unseen is known to its provider alone, which says it at the end: whoever wants that reads on when nobody else does.</summary>
[Collection(OneService.Name)]
public sealed class When_a_consumer_goes_away(SharedService shared)
{
    private const int Words = 10, Hidden = 6_000, Aborted = 4, Done = 1;
    private readonly ConcurrentQueue<string> _unsettled = new();

    [Theory, InlineData("left", false), InlineData("left by cancelling", true)]
    public async Task U2_the_rest_is_read_for_what_was_generated_unseen(string name, bool cancels)
    {
        await shared.Service.SubscribeAsync(Samples.Snapshot(name, Samples.Hard("billing_period", 1_000_000)));
        await using var meter = shared.Connect();
        var model = new SlowModel();
        await LeaveAsync(Capped(model, meter, name), cancels);
        // Whoever goes away has not waited: the model has said one word.
        Assert.Equal((1, false), (model.Said, model.Ended.IsCompleted));
        model.GoesOn();
        await RecordedAsync(name, Words, Hidden);
        Assert.Equal(Aborted, await shared.FinishOfAsync(name));
        Assert.Empty(_unsettled);
    }

    [Theory, InlineData("left whole", true), InlineData("left whole, put together", false)]
    public async Task U2_a_whole_answer_that_is_cancelled_is_waited_for(string name, bool holdsLimit)
    {
        await shared.Service.SubscribeAsync(Samples.Snapshot(name, Samples.Hard("billing_period", 1_000_000)));
        await using var meter = shared.Connect();
        var model = new SlowModel();
        using var patience = new CancellationTokenSource();
        var asked = Capped(model, meter, name, holdsLimit: holdsLimit).GetResponseAsync("?", new() { MaxOutputTokens = 7_000 }, patience.Token);
        await Eventually.True(() => model.IsAsked, "the model is asked");
        await patience.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => asked);
        model.GoesOn();
        await RecordedAsync(name, Words, Hidden);
        Assert.Equal(Aborted, await shared.FinishOfAsync(name));
    }

    [Fact]
    public async Task Who_leaves_after_the_last_word_was_answered()
    {
        await shared.Service.SubscribeAsync(Samples.Snapshot("left last", Samples.Hard("billing_period", 1_000_000)));
        await using var meter = shared.Connect();
        var model = new SlowModel();
        model.GoesOn();
        await foreach (var update in Capped(model, meter, "left last").GetStreamingResponseAsync("?"))
            if (update.FinishReason is not null) break;
        await RecordedAsync("left last", Words, Hidden);
        Assert.Equal(Done, await shared.FinishOfAsync("left last"));
    }

    [Fact]
    public async Task U1_nothing_is_read_on_beyond_what_is_granted()
    {
        await shared.Service.SubscribeAsync(Samples.Snapshot("left at a cap", Samples.Hard("billing_period", 5)));
        await using var meter = shared.Connect();
        var model = new SlowModel();
        await LeaveAsync(Capped(model, meter, "left at a cap"), cancels: false);
        model.GoesOn();
        await model.Ended;
        await RecordedAsync("left at a cap", 5, 0);
        Assert.Equal(6, model.Said);
    }

    [Fact]
    public async Task A_model_that_fails_meanwhile_is_settled_at_what_came()
    {
        await shared.Service.SubscribeAsync(Samples.Snapshot("left and failed", Samples.Hard("billing_period", 1_000_000)));
        await using var meter = shared.Connect();
        var model = new SlowModel { FailsAfter = 4 };
        await LeaveAsync(Capped(model, meter, "left and failed"), cancels: false);
        model.GoesOn();
        await RecordedAsync("left and failed", 4, 0);
        Assert.Equal(Aborted, await shared.FinishOfAsync("left and failed"));
        Assert.Empty(_unsettled);
    }

    [Theory, InlineData("left for long", true), InlineData("left for long, and deaf", false)]
    public async Task A_model_that_takes_longer_than_is_read_on_is_settled_at_what_came(string name, bool heeds)
    {
        await shared.Service.SubscribeAsync(Samples.Snapshot(name, Samples.Hard("billing_period", 1_000_000)));
        await using var meter = shared.Connect();
        var model = new SlowModel { Heeds = heeds };
        await LeaveAsync(Capped(model, meter, name, TimeSpan.FromMilliseconds(20)), cancels: true);
        await RecordedAsync(name, 1, 0);
        Assert.Equal((Aborted, heeds), (await shared.FinishOfAsync(name), model.Ended.IsCompleted));
        // What it says yet is too late.
        model.GoesOn();
        await model.Ended;
        Assert.Equal((1, 0, 0), await shared.RecordedAsync(name));
    }

    [Fact]
    public async Task A_meter_that_is_disposed_meanwhile_ends_it()
    {
        await shared.Service.SubscribeAsync(Samples.Snapshot("left and closed", Samples.Hard("billing_period", 1_000_000)));
        var meter = shared.Connect();
        var model = new SlowModel();
        await LeaveAsync(Capped(model, meter, "left and closed"), cancels: false);
        await meter.DisposeAsync();
        model.GoesOn();
        await model.Ended;
        Assert.Equal((1, 0, 0), await shared.RecordedAsync("left and closed"));
        Assert.Equal(2, model.Said);
    }

    private static async Task LeaveAsync(IChatClient capped, bool cancels)
    {
        using var patience = new CancellationTokenSource();
        async Task AskAsync()
        {
            await foreach (var _ in capped.GetStreamingResponseAsync("?", cancellationToken: patience.Token))
            {
                if (!cancels) break;
                // While it waits for the next one.
                patience.CancelAfter(TimeSpan.FromMilliseconds(1));
            }
        }
        if (cancels) await Assert.ThrowsAnyAsync<OperationCanceledException>(AskAsync);
        else await AskAsync();
    }

    private async Task RecordedAsync(string generation, long output, long reasoning)
    {
        var id = GenerationId.Derive(Samples.Jan1, generation)[4..];
        await Eventually.True(async () => await shared.Service.ScalarAsync<long>($"select count(*) from usage.generation where generation = '{id}' and finish > 0") == 1, "it is ended");
        Assert.Equal((output, reasoning, 0), await shared.RecordedAsync(generation));
    }

    private IChatClient Capped(IChatClient model, MeterClient meter, string name, TimeSpan? drain = null, bool holdsLimit = false) => model.AsBuilder().UseTokenCap(meter, new()
    {
        Caller = (_, _) => new(Samples.SubscriptionId(name), "c1", GenerationId.Derive(Samples.Jan1, name)),
        HoldsLimit = holdsLimit,
        DrainAbandoned = drain ?? TimeSpan.FromMinutes(1),
        NotSettled = (_, e) => _unsettled.Enqueue(e.Message),
    }).Build();

    /// <summary>It says one word, waits, says the others and that it is done, and then what it has thought unseen.</summary>
    private sealed class SlowModel : IChatClient
    {
        private readonly TaskCompletionSource _goesOn = new(TaskCreationOptions.RunContinuationsAsynchronously), _ended = new(TaskCreationOptions.RunContinuationsAsynchronously);
        private int _said;
        private volatile bool _isAsked;

        /// <summary>Whether it ends when it is cancelled.</summary>
        public bool Heeds { get; init; } = true;

        public int FailsAfter { get; init; } = int.MaxValue;

        public int Said => Volatile.Read(ref _said);

        public bool IsAsked => _isAsked;

        public Task Ended => _ended.Task;

        public void GoesOn() => _goesOn.TrySetResult();

        public async Task<ChatResponse> GetResponseAsync(IEnumerable<ChatMessage> messages, ChatOptions? options = null, CancellationToken cancellationToken = default)
        {
            _isAsked = true;
            await _goesOn.Task.WaitAsync(cancellationToken);
            return new(new ChatMessage(ChatRole.Assistant, string.Concat(Enumerable.Repeat("word ", Words)))) { Usage = Counted, FinishReason = ChatFinishReason.Stop };
        }

        public async IAsyncEnumerable<ChatResponseUpdate> GetStreamingResponseAsync(
            IEnumerable<ChatMessage> messages, ChatOptions? options = null, [EnumeratorCancellation] CancellationToken cancellationToken = default)
        {
            _isAsked = true;
            try
            {
                for (var word = 0; word < Words; word++)
                {
                    if (word > 0) await _goesOn.Task.WaitAsync(Heeds ? cancellationToken : CancellationToken.None);
                    if (word == FailsAfter) throw new NotSupportedException("the model's own");
                    Interlocked.Increment(ref _said);
                    yield return new(ChatRole.Assistant, "word ");
                }
                yield return new(ChatRole.Assistant, []) { FinishReason = ChatFinishReason.Stop };
                yield return new(ChatRole.Assistant, [new UsageContent(Counted)]);
            }
            finally
            {
                _ended.TrySetResult();
            }
        }

        public object? GetService(Type serviceType, object? serviceKey = null) => null;

        public void Dispose()
        {
        }

        private static UsageDetails Counted => new() { InputTokenCount = 12, OutputTokenCount = Words + Hidden, ReasoningTokenCount = Hidden };
    }
}
