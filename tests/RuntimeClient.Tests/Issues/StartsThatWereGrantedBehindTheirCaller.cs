using Grpc.Core;
using Grpc.Core.Interceptors;
using Microsoft.Extensions.AI;
using RuntimeClient.Chat;
using Usage.Host.Tests;

namespace RuntimeClient.Tests.Issues;

/// <summary>
/// Found by reading: a start whose hold was denied said its Start once more on the stream, and if room had come back it was granted, recorded and billed,
/// after its caller had been told that it was denied. And a start that was cancelled kept its id from the next attempt.
/// </summary>
[Collection(OneService.Name)]
public sealed class StartsThatWereGrantedBehindTheirCaller(SharedService shared)
{
    [Theory, InlineData("denied", false), InlineData("denied chat", true)]
    public async Task U1_U3_a_start_that_was_denied_says_no_other_word(string name, bool chat)
    {
        var (service, id) = (shared.Service, GenerationId.Derive(Samples.Jan1, name));
        await service.SubscribeAsync(Samples.Snapshot(name, Samples.Hard("billing_period", 100)));
        await service.SubscribeAsync(Samples.Snapshot($"{name} beside"));
        await service.Meter.AuthorizeAsync(new() { Start = Samples.Start($"{name} holds all", name) });
        // All of it is returned when the denial is on its way.
        var line = new RecordedLine { Authorized = async answer => { if (answer.Deny is not null) await service.Meter.SettleAsync(new() { Finish = Samples.Finish($"{name} holds all", 1) }); } };
        await using var meter = new MeterClient(service.Channel.CreateCallInvoker().Intercept(line));
        await using var beside = await meter.StartAsync(SharedService.Request($"{name} beside", $"{name} beside"));

        if (chat)
        {
            await using var model = await StreamedModel.StartAsync();
            var capped = model.Client().AsBuilder().UseTokenCap(meter, new() { Caller = (_, _) => new(Samples.SubscriptionId(name), "c1", id) }).Build();
            await Assert.ThrowsAsync<GenerationDeniedException>(() => capped.GetResponseAsync("60"));
        }
        else await Assert.ThrowsAsync<GenerationDeniedException>(() => meter.StartAsync(SharedService.Request(name, name, wanted: 50)));

        // What was said before it is said by now.
        await beside.FinishAsync();
        Assert.DoesNotContain(line.Frames, f => f.Start?.GenerationId == id);
        Assert.Equal(0, await service.ScalarAsync<long>($"select count(*) from usage.token_event where generation = '{id[4..]}'"));
        Assert.Equal(0, (await service.Ledger.GetBalanceAsync(new() { SubscriptionId = Samples.SubscriptionId(name) })).Windows.Single().ReservedTokens);
        Assert.Empty(meter.Active);
    }

    [Fact]
    public async Task A_denied_start_opens_no_stream()
    {
        await shared.Service.SubscribeAsync(Samples.Snapshot("no stream", Samples.Hard("billing_period", 0)));
        var line = new RecordedLine();
        await using (var meter = new MeterClient(shared.Service.Channel.CreateCallInvoker().Intercept(line)))
            await Assert.ThrowsAsync<GenerationDeniedException>(() => meter.StartAsync(SharedService.Request("no stream", "no stream", wanted: 50)));
        Assert.Equal(0, line.Streams);
    }

    [Theory, InlineData("impatient twice", 0), InlineData("impatient twice with a hold", 300)]
    public async Task The_same_id_starts_again_as_soon_as_nobody_waits_for_it_any_more(string name, int wanted)
    {
        await shared.Service.SubscribeAsync(Samples.Snapshot(name, Samples.Hard("billing_period", 1_000)));
        var (asked, passes) = (new TaskCompletionSource(), new TaskCompletionSource());
        var line = new RecordedLine { Authorized = async _ => { asked.TrySetResult(); await passes.Task; } };
        line.HoldWords();
        await using var meter = new MeterClient(shared.Service.Channel.CreateCallInvoker().Intercept(line));
        using var patience = new CancellationTokenSource();
        var first = meter.StartAsync(SharedService.Request(name, name, wanted: wanted), patience.Token);
        if (wanted > 0) await asked.Task;
        else await Eventually.True(() => line.Frames.Any(), "it has said its Start");
        await patience.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => first);

        var again = meter.StartAsync(SharedService.Request(name, name, wanted: wanted));
        passes.SetResult();
        line.PassWords();
        await using var generation = await again;
        Assert.Equal(7, generation.Count(7));
        await generation.FinishAsync();
        Assert.Equal((7, 0, 0), await shared.RecordedAsync(name));
        Assert.Equal(1, await shared.Service.ScalarAsync<long>($"select count(*) from usage.generation where generation = '{generation.Id[4..]}' and finish = 1"));
        Assert.Equal(0, (await shared.Service.Ledger.GetBalanceAsync(new() { SubscriptionId = Samples.SubscriptionId(name) })).Windows.Single().ReservedTokens);
    }

    /// <summary>The words of both attempts are on their way, and the later one arrives first.</summary>
    [Fact]
    public async Task U1_U3_a_hold_that_was_cancelled_is_not_granted_after_its_retry_was_denied()
    {
        var (service, id) = (shared.Service, GenerationId.Derive(Samples.Jan1, "overtaken"));
        await service.SubscribeAsync(Samples.Snapshot("overtaken", Samples.Hard("billing_period", 100)));
        await service.Meter.AuthorizeAsync(new() { Start = Samples.Start("overtaken holds all", "overtaken") });
        var line = new LateFirstCall();
        await using var meter = new MeterClient(service.Channel.CreateCallInvoker().Intercept(line));
        using var patience = new CancellationTokenSource();
        var first = meter.StartAsync(SharedService.Request("overtaken", "overtaken", wanted: 50), patience.Token);
        await line.Asked;
        await patience.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => first);
        await Assert.ThrowsAsync<GenerationDeniedException>(() => meter.StartAsync(SharedService.Request("overtaken", "overtaken", wanted: 50)));

        // All of it is returned, and then the first one arrives.
        await service.Meter.SettleAsync(new() { Finish = Samples.Finish("overtaken holds all", 1) });
        await line.PassAsync();
        Assert.Equal(0, await service.ScalarAsync<long>($"select count(*) from usage.token_event where generation = '{id[4..]}'"));
        Assert.Equal(0, (await service.Ledger.GetBalanceAsync(new() { SubscriptionId = Samples.SubscriptionId("overtaken") })).Windows.Single().ReservedTokens);
    }

    /// <summary>A meter that is slow is not gone: it answers on the same stream, and then somebody has to know the generation.</summary>
    [Fact]
    public async Task What_is_granted_long_after_its_start_was_cancelled_is_given_back()
    {
        var service = shared.Service;
        await service.SubscribeAsync(Samples.Snapshot("late grant", Samples.Hard("billing_period", 1_000)));
        var line = new RecordedLine();
        line.HoldWords();
        await using var meter = new MeterClient(service.Channel.CreateCallInvoker().Intercept(line), new() { RetransmitAfter = TimeSpan.FromMilliseconds(10) });
        using var patience = new CancellationTokenSource();
        var starting = meter.StartAsync(SharedService.Request("late grant", "late grant"), patience.Token);
        await Eventually.True(() => line.Frames.Any(), "it has said its Start");
        await patience.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => starting);
        // Several times the patience of a client that asks again.
        for (var n = 0; n < 50; n++) await service.Ledger.GetHeadsAsync(new());
        Assert.Single(meter.Active);

        line.PassWords();
        await Eventually.True(() => meter.Active.Count == 0, "it is over");
        var id = GenerationId.Derive(Samples.Jan1, "late grant");
        Assert.Contains(line.Frames, f => f.Finish?.GenerationId == id);
        Assert.Equal(0, (await service.Ledger.GetBalanceAsync(new() { SubscriptionId = Samples.SubscriptionId("late grant") })).Windows.Single().ReservedTokens);
    }

    [Fact]
    public async Task A_meter_that_asks_after_too_many_subscriptions_is_asked_again()
    {
        await shared.Service.SubscribeAsync(Samples.Snapshot("asked again"));
        var (denied, id) = (0, GenerationId.Derive(Samples.Jan1, "asked again"));
        var line = new RecordedLine
        {
            Authorized = answer =>
            {
                if (Interlocked.Increment(ref denied) == 1) (answer.Grant, answer.Deny) = (null, new() { GenerationId = id, Reason = "lookups_too_many" });
                return Task.CompletedTask;
            },
        };
        await using var meter = new MeterClient(shared.Service.Channel.CreateCallInvoker().Intercept(line));
        await using var generation = await meter.StartAsync(SharedService.Request("asked again", "asked again", wanted: 300));
        Assert.Equal(300, generation.Granted);
        Assert.Equal(2, denied);
    }

    [Fact]
    public async Task While_no_meter_answers_a_start_that_is_cancelled_is_forgotten()
    {
        // Nobody listens there.
        await using var meter = new MeterClient(new Uri("http://127.0.0.1:1"), new() { RetransmitAfter = TimeSpan.FromHours(1), PauseMax = TimeSpan.FromMilliseconds(100) });
        foreach (var attempt in Enumerable.Range(0, 5))
        {
            using var patience = new CancellationTokenSource();
            void Cancel(Grpc.Core.RpcException _) => patience.Cancel();
            meter.Disconnected += Cancel;
            await Assert.ThrowsAnyAsync<OperationCanceledException>(() => meter.StartAsync(SharedService.Request($"outage {attempt}", "nobody"), patience.Token));
            meter.Disconnected -= Cancel;
        }
        await Eventually.True(() => meter.Active.Count == 0, "all of them are forgotten");
    }

    [Fact]
    public async Task A_cancelled_start_whose_hold_could_not_be_decided_is_forgotten()
    {
        await shared.Service.SubscribeAsync(Samples.Snapshot("undecided"));
        var (asked, passes) = (new TaskCompletionSource(), new TaskCompletionSource());
        var line = new RecordedLine
        {
            Authorized = async answer =>
            {
                (answer.Grant, answer.Deny) = (null, new() { GenerationId = GenerationId.Derive(Samples.Jan1, "undecided"), Reason = "store_unavailable" });
                asked.TrySetResult();
                await passes.Task;
            },
        };
        await using var meter = new MeterClient(shared.Service.Channel.CreateCallInvoker().Intercept(line));
        using var patience = new CancellationTokenSource();
        var starting = meter.StartAsync(SharedService.Request("undecided", "undecided", wanted: 300), patience.Token);
        await asked.Task;
        await patience.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => starting);
        passes.SetResult();
        await Eventually.True(() => meter.Active.Count == 0, "it is forgotten");
    }

    /// <summary>What is asked first stays under way until it may pass.</summary>
    private sealed class LateFirstCall : Interceptor
    {
        private readonly TaskCompletionSource _asked = new(TaskCreationOptions.RunContinuationsAsynchronously), _passes = new(TaskCreationOptions.RunContinuationsAsynchronously);
        private Task? _answered;

        public Task Asked => _asked.Task;

        /// <summary>Returns when it is answered.</summary>
        public Task PassAsync()
        {
            _passes.SetResult();
            return _answered!;
        }

        public override AsyncUnaryCall<TResponse> AsyncUnaryCall<TRequest, TResponse>(
            TRequest request, ClientInterceptorContext<TRequest, TResponse> context, AsyncUnaryCallContinuation<TRequest, TResponse> continuation)
        {
            if (_asked.Task.IsCompleted) return continuation(request, context);
            var answered = LaterAsync(() => continuation(request, context).ResponseAsync);
            _answered = answered;
            _asked.SetResult();
            return new(answered, Task.FromResult(new Metadata()), () => Status.DefaultSuccess, () => [], () => { });
        }

        private async Task<T> LaterAsync<T>(Func<Task<T>> call)
        {
            await _passes.Task;
            return await call();
        }
    }
}
