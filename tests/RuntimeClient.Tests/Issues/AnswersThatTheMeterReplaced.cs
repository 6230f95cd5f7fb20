using System.Collections.Concurrent;
using Grpc.Core;
using Grpc.Core.Interceptors;
using Microsoft.Extensions.AI;
using RuntimeClient.Chat;
using Usage.Host.Tests;

namespace RuntimeClient.Tests.Issues;

/// <summary>Found by reading: what went wrong between the middleware and its meter became the application's answer, or nobody's.</summary>
[Collection(OneService.Name)]
public sealed class AnswersThatTheMeterReplaced(SharedService shared)
{
    [Fact]
    public async Task A_refused_correction_of_the_prompt_replaces_neither_an_answer_nor_the_model_s_own_exception()
    {
        var service = shared.Service;
        await service.SubscribeAsync(Samples.Snapshot("refused"));
        await using var model = await StreamedModel.StartAsync();
        await using var meter = new MeterClient(service.Channel.CreateCallInvoker().Intercept(new NoCorrections()));
        var unsettled = new List<(string Generation, string Reason)>();
        IChatClient Capped(string generation) => model.Client().AsBuilder().UseTokenCap(meter, new()
        {
            Caller = (_, _) => new(Samples.SubscriptionId("refused"), "c1", GenerationId.Derive(Samples.Jan1, generation)),
            NotSettled = (g, e) => unsettled.Add((g.Id, ((MeterException)e).Reason)),
        }).Use(null, (messages, options, inner, ct) => BreaksAfterFive(inner.GetStreamingResponseAsync(messages, options, ct))).Build();

        var answer = await Capped("not corrected").GetStreamingResponseAsync("23").ToChatResponseAsync();
        Assert.Equal(ChatFinishReason.Stop, answer.FinishReason);
        model.CountsInEveryEvent = true;
        var error = await Assert.ThrowsAsync<NotSupportedException>(() => Capped("broken off").GetStreamingResponseAsync("30").ToChatResponseAsync());
        Assert.Equal("the model's own", error.Message);
        Assert.Equal([GenerationId.Derive(Samples.Jan1, "not corrected"), GenerationId.Derive(Samples.Jan1, "broken off")], unsettled.Select(u => u.Generation));
        Assert.Equal((3, 20, 0), await shared.RecordedAsync("not corrected"));
        Assert.Equal((5, 20, 0), await shared.RecordedAsync("broken off"));
    }

    [Fact]
    public async Task What_the_meter_refuses_when_nobody_waits_for_it_any_more_is_told_all_the_same()
    {
        await shared.Service.SubscribeAsync(Samples.Snapshot("refused late"));
        await using var model = await StreamedModel.StartAsync();
        var late = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        await using var meter = new MeterClient(shared.Service.Channel.CreateCallInvoker().Intercept(new NoCorrections(late.Task)));
        var unsettled = new ConcurrentQueue<(string Generation, string Reason)>();
        await Impatient(model, meter, "refused late", unsettled).GetStreamingResponseAsync("23").ToChatResponseAsync();
        Assert.Empty(unsettled);
        late.SetResult();
        await Eventually.True(() => !unsettled.IsEmpty, "it is told");
        Assert.Equal([(GenerationId.Derive(Samples.Jan1, "refused late"), "refused")], unsettled);
        Assert.Equal((3, 20, 0), await shared.RecordedAsync("refused late"));
    }

    [Theory, InlineData("lost answer", false), InlineData("lost correction", true)]
    public async Task What_a_client_that_is_disposed_could_not_get_acknowledged_is_told(string name, bool onlyItsPrompt)
    {
        await shared.Service.SubscribeAsync(Samples.Snapshot(name));
        await using var model = await StreamedModel.StartAsync();
        var never = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        var line = new RecordedLine();
        var invoker = onlyItsPrompt ? shared.Service.Channel.CreateCallInvoker().Intercept(new NoCorrections(never.Task)) : shared.Service.Channel.CreateCallInvoker().Intercept(line);
        var meter = new MeterClient(invoker, new() { DisposeWithin = TimeSpan.Zero });
        var unsettled = new ConcurrentQueue<(string Generation, string Reason)>();
        var capped = Impatient(model, meter, name, unsettled);
        await foreach (var update in capped.GetStreamingResponseAsync("23"))
            if (update.FinishReason is not null) line.HoldAnswers();
        if (onlyItsPrompt) await Eventually.True(() => meter.Active.Count == 0, "all but its prompt is acknowledged");
        await meter.DisposeAsync();
        await Eventually.True(() => !unsettled.IsEmpty, "it is told");
        Assert.Equal([(GenerationId.Derive(Samples.Jan1, name), "unacknowledged")], unsettled);
        never.SetResult();
    }

    [Fact]
    public async Task An_answer_whose_client_is_disposed_says_so_and_not_that_its_cap_is_reached()
    {
        await shared.Service.SubscribeAsync(Samples.Snapshot("closed under it", Samples.Hard("billing_period", 5_000)));
        await using var model = await StreamedModel.StartAsync();
        var meter = shared.Connect();
        var unsettled = new ConcurrentQueue<(string Generation, string Reason)>();
        var updates = new List<ChatResponseUpdate>();
        await foreach (var update in Impatient(model, meter, "closed under it", unsettled).GetStreamingResponseAsync("900"))
        {
            updates.Add(update);
            if (updates.Count(u => u.Text.Length > 0) == 1) await meter.DisposeAsync();
        }
        Assert.Equal((ChatFinishReason.Length, "client_closed"), (updates[^1].FinishReason!.Value, updates[^1].AdditionalProperties?[TokenCapChatClient.CutByCap]));
        Assert.Equal((1, 0, 0), await shared.RecordedAsync("closed under it"));
    }

    [Fact]
    public async Task What_is_known_only_after_the_client_was_disposed_is_told()
    {
        await shared.Service.SubscribeAsync(Samples.Snapshot("known late", Samples.Hard("billing_period", 5_000)));
        await using var model = await StreamedModel.StartAsync();
        var meter = shared.Connect();
        var unsettled = new ConcurrentQueue<(string Generation, string Reason)>();
        await foreach (var update in Impatient(model, meter, "known late", unsettled).GetStreamingResponseAsync("23"))
            if (update.FinishReason is not null) await meter.DisposeAsync();
        // Three were seen, and 20 that were not are in its usage, which came last.
        Assert.Equal((3, 0, 0), await shared.RecordedAsync("known late"));
        await Eventually.True(() => !unsettled.IsEmpty, "it is told");
        Assert.Equal([(GenerationId.Derive(Samples.Jan1, "known late"), "settled_late")], unsettled);
    }

    /// <summary>It waits for nothing at the end of an answer.</summary>
    private static IChatClient Impatient(StreamedModel model, MeterClient meter, string name, ConcurrentQueue<(string, string)> unsettled) => model.Client().AsBuilder().UseTokenCap(meter, new()
    {
        Caller = (_, _) => new(Samples.SubscriptionId(name), "c1", GenerationId.Derive(Samples.Jan1, name)),
        SettleWithin = TimeSpan.Zero,
        NotSettled = (g, e) => unsettled.Enqueue((g.Id, ((MeterException)e).Reason)),
    }).Build();

    [Fact]
    public async Task Counts_that_come_with_every_update_are_not_added_up()
    {
        await shared.Service.SubscribeAsync(Samples.Snapshot("running", Samples.Hard("conversation", 5_000)));
        await using var model = await StreamedModel.StartAsync();
        model.CountsInEveryEvent = true;
        await using var meter = shared.Connect();
        var capped = model.Client().AsBuilder().UseTokenCap(meter, new() { Caller = (_, _) => new(Samples.SubscriptionId("running"), "c1", GenerationId.Derive(Samples.Jan1, "running")) }).Build();
        await capped.GetStreamingResponseAsync("60").ToChatResponseAsync();
        Assert.Equal((40, 20, 0), await shared.RecordedAsync("running"));
    }

    [Fact]
    public async Task A_start_that_is_cancelled_while_it_waits_for_room_gives_back_what_it_holds()
    {
        await shared.Service.SubscribeAsync(Samples.Snapshot("impatient", Samples.Hard("conversation", 5_000)));
        await using var model = await StreamedModel.StartAsync();
        var clock = new RacingClock { Races = true };
        await using var meter = shared.Connect(new() { Time = clock });
        using var patience = new CancellationTokenSource();
        var asked = model.Client().AsBuilder()
            .UseTokenCap(meter, new() { Caller = (_, _) => new(Samples.SubscriptionId("impatient"), "c1", GenerationId.Derive(Samples.Jan1, "impatient")) }).Build()
            .GetResponseAsync("60", cancellationToken: patience.Token);
        // Every grant has run out when it is looked at.
        await Eventually.True(() => meter.Active.Any(g => g.FirstGrant > 0), "it has been granted tokens");
        await patience.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => asked);
        clock.Races = false;
        await Eventually.True(() => meter.Active.Count == 0, "it is ended, and acknowledged");
        Assert.Equal(0, model.Generated);
        var balance = await shared.Service.Ledger.GetBalanceAsync(new() { SubscriptionId = Samples.SubscriptionId("impatient"), Conversation = "c1" });
        Assert.Equal(0, balance.Windows.Single().ReservedTokens);
    }

    [Fact]
    public async Task A_start_that_is_cancelled_while_its_hold_is_under_way_gives_it_back_before_its_lease_ends()
    {
        await shared.Service.SubscribeAsync(Samples.Snapshot("gone early", Samples.Hard("conversation", 5_000)));
        var line = new SlowAnswers();
        await using var meter = new MeterClient(shared.Service.Channel.CreateCallInvoker().Intercept(line));
        using var patience = new CancellationTokenSource();
        var asked = meter.StartAsync(SharedService.Request("gone early", "gone early") with { TokensWanted = 3_000 }, patience.Token);
        await line.Answered;
        Assert.Equal(3_000, await Reserved());
        await patience.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => asked);
        line.Pass();
        await Eventually.True(() => meter.Active.Count == 0, "it is ended, and acknowledged");
        Assert.Equal(0, await Reserved());

        async Task<long> Reserved() =>
            (await shared.Service.Ledger.GetBalanceAsync(new() { SubscriptionId = Samples.SubscriptionId("gone early"), Conversation = "c1" })).Windows.Single().ReservedTokens;
    }

    [Fact]
    public async Task U2_a_producer_that_comes_back_and_is_cancelled_ends_its_generation_at_what_it_had_reported()
    {
        await shared.Service.SubscribeAsync(Samples.Snapshot("twice cancelled", Samples.Hard("conversation", 5_000)));
        await using (var lost = shared.Connect())
        {
            var before = await lost.StartAsync(SharedService.Request("back and cancelled", "twice cancelled"));
            before.Count(40);
            await Eventually.True(async () => (await shared.RecordedAsync("back and cancelled")).Output == 40, "it has reported");
            await using var held = await TableLock.TakeAsync(shared.Service, "usage.token_event", "share");
            before.Count(7);
            await Eventually.True(async () => await TableLock.WaitersAsync(shared.Service, "usage.token_event") > 0, "its last word waits to be committed");
            await using var meter = shared.Connect();
            using var patience = new CancellationTokenSource();
            var again = meter.StartAsync(SharedService.Request("back and cancelled", "twice cancelled"), patience.Token);
            await Eventually.True(() => meter.Active.Any(g => g.FirstGrant > 0), "it is resumed");
            Assert.False(again.IsCompleted);
            await patience.CancelAsync();
            await Assert.ThrowsAnyAsync<OperationCanceledException>(() => again);
            await held.DisposeAsync();
            await Eventually.True(() => meter.Active.Count == 0, "it is ended");
        }
        Assert.Equal((47, 0, 0), await shared.RecordedAsync("back and cancelled"));
        var balance = await shared.Service.Ledger.GetBalanceAsync(new() { SubscriptionId = Samples.SubscriptionId("twice cancelled"), Conversation = "c1" });
        Assert.Equal((47, 0), (balance.Windows.Single().UsedTokens, balance.Windows.Single().ReservedTokens));
    }

    [Theory]
    [InlineData("ahead", 3_600), InlineData("behind", -3_600)]
    public async Task U1_a_runtime_whose_clock_is_wrong_gets_room_for_as_long_as_its_grant_holds_and_no_longer(string name, int seconds)
    {
        await shared.Service.SubscribeAsync(Samples.Snapshot(name, Samples.Hard("conversation", 5_000)));
        var clock = new RacingClock { Wrong = TimeSpan.FromSeconds(seconds) };
        // It says nothing that would keep its lease alive, and asks for nothing.
        await using var meter = shared.Connect(new() { Time = clock, ReportWithin = TimeSpan.FromHours(1) });
        await using var generation = await meter.StartAsync(SharedService.Request(name, name));
        Assert.Equal(256, generation.Room);
        clock.Jump(TimeSpan.FromSeconds(19));
        Assert.Equal(256, generation.Room);
        clock.Jump(TimeSpan.FromSeconds(2));
        Assert.Equal(0, generation.Room);
    }

    private static async IAsyncEnumerable<ChatResponseUpdate> BreaksAfterFive(IAsyncEnumerable<ChatResponseUpdate> updates)
    {
        var came = 0;
        await foreach (var update in updates)
        {
            if (update.Text.Length > 0 && ++came > 5) throw new NotSupportedException("the model's own");
            yield return update;
        }
    }

    /// <param name="late">the refusal comes no sooner</param>
    private sealed class NoCorrections(Task? late = null) : Interceptor
    {
        public override AsyncUnaryCall<TResponse> AsyncUnaryCall<TRequest, TResponse>(TRequest request, ClientInterceptorContext<TRequest, TResponse> context, AsyncUnaryCallContinuation<TRequest, TResponse> continuation)
        {
            if (context.Method.Name != "AmendUsage") return continuation(request, context);
            return new(RefuseAsync<TResponse>(context.Options.CancellationToken), Task.FromResult(new Metadata()), () => new(StatusCode.FailedPrecondition, "no"), () => [], () => { });
        }

        private async Task<T> RefuseAsync<T>(CancellationToken ct)
        {
            if (late is not null) await late.WaitAsync(ct);
            throw new RpcException(new(StatusCode.FailedPrecondition, "no"));
        }
    }

    /// <summary>What the meter answers is under way until it may pass.</summary>
    private sealed class SlowAnswers : Interceptor
    {
        private readonly TaskCompletionSource _answered = new(TaskCreationOptions.RunContinuationsAsynchronously), _passes = new(TaskCreationOptions.RunContinuationsAsynchronously);

        public Task Answered => _answered.Task;

        public void Pass() => _passes.SetResult();

        public override AsyncUnaryCall<TResponse> AsyncUnaryCall<TRequest, TResponse>(TRequest request, ClientInterceptorContext<TRequest, TResponse> context, AsyncUnaryCallContinuation<TRequest, TResponse> continuation)
        {
            var call = continuation(request, context);
            return new(Later(call.ResponseAsync, context.Options.CancellationToken), call.ResponseHeadersAsync, call.GetStatus, call.GetTrailers, call.Dispose);
        }

        private async Task<T> Later<T>(Task<T> response, CancellationToken ct)
        {
            var answer = await response;
            _answered.TrySetResult();
            await _passes.Task.WaitAsync(ct);
            return answer;
        }
    }
}
