using Contracts.Usage.V1;
using Grpc.Core;
using Hosting;

namespace Usage.Host.Tests;

public sealed class When_usage_is_corrected
{
    [Fact]
    public async Task U4_corrections_are_rows_of_batches_and_reports_and_give_room_back()
    {
        await using var service = await UsageService.StartAsync();
        await service.SubscribeAsync(Samples.Snapshot("alice", Samples.Hard("conversation", 500), Samples.Hard("five_hours", 600), Samples.Hard("billing_period", 400)));
        await GenerateAsync(service, "g1", 300, input: 7);
        await GenerateAsync(service, "g2", 100);
        Assert.Equal("cap_reached", (await service.Meter.AuthorizeAsync(new AuthorizeRequest { Start = Samples.Start("g3", "alice") })).Deny.Reason);

        var corrected = await AmendAsync(service, "k1", r => (r.GenerationId, r.Deltas) = (Samples.GenerationId("g1"), new TokenCounts { Output = -100 }));
        var row = Assert.Single(corrected.Corrections);
        Assert.Equal(
            (RowKind.Correction, -100, Samples.PeriodId("alice", 0), "c1", "ada", "metered twice"),
            (row.Kind, row.Tokens.Output, row.PeriodId, row.Conversation, row.Correction.Author, row.Correction.Reason));
        Assert.Equal([("conversation", 300L), ("five_hours", 300L), ("billing_period", 300L)], await UsedAsync(service));
        Assert.Equal(100, (await service.Meter.AuthorizeAsync(new AuthorizeRequest { Start = Samples.Start("g3", "alice") })).Grant.TokensAllowed);
        await service.Meter.SettleAsync(new SettleRequest { Finish = Samples.Finish("g3", 1) });

        // A call that is repeated meets its answer; what g1 said is still there, and only what is left of it can be taken away.
        Assert.Equal(corrected, await AmendAsync(service, "k1", r => (r.GenerationId, r.Deltas) = (Samples.GenerationId("g1"), new TokenCounts { Output = -100 })));
        await RefusedAsync("idempotency_key_reused", StatusCode.InvalidArgument, AmendAsync(service, "k1", r => (r.GenerationId, r.Deltas) = (Samples.GenerationId("g1"), new TokenCounts { Output = -1 })));
        await RefusedAsync("correction_below_zero", StatusCode.FailedPrecondition, AmendAsync(service, "k2", r => (r.GenerationId, r.Deltas) = (Samples.GenerationId("g1"), new TokenCounts { Output = -201 })));
        await RefusedAsync("correction_below_zero", StatusCode.FailedPrecondition, AmendAsync(service, "k3", r => (r.GenerationId, r.Deltas) = (Samples.GenerationId("g2"), new TokenCounts { Reasoning = -1 })));

        var voided = Assert.Single((await VoidAsync(service, "k4", "g1")).Corrections);
        Assert.Equal((-7, -200, true), (voided.Tokens.Input, voided.Tokens.Output, voided.Correction.Void));
        Assert.Empty((await VoidAsync(service, "k5", "g1")).Corrections);
        // A period can be amended as a whole: for usage that never reached us, or whose rows are gone.
        await AmendAsync(service, "k6", r => (r.SubscriptionId, r.PeriodId, r.Deltas) = (Samples.SubscriptionId("alice"), Samples.PeriodId("alice", 0), new TokenCounts { Output = 50 }));
        (string, long)[] used = [("conversation", 100L), ("five_hours", 100L), ("billing_period", 150L)];
        Assert.Equal(used, await UsedAsync(service));

        await service.StopHostAsync();
        await service.StartHostAsync();
        await service.ReadyAsync();
        Assert.Equal(used, await UsedAsync(service));
        await LedgerChecks.HoldAsync(service);
        var proofs = await service.Ledger.ProveEvents(new ProveEventsRequest { GenerationId = Samples.GenerationId("g1") }).ResponseStream.ReadAllAsync().ToListAsync();
        Assert.Equal((2, 2), (proofs.Count(p => p.Row.Kind == RowKind.Correction), proofs.Count(p => p.Row.Kind == RowKind.Unspecified)));
        foreach (var proof in proofs) LedgerChecks.Proves(proof);
        Assert.Equal([("output", 150L)], await ReportedAsync(service));
    }

    [Fact]
    public async Task Any_time_is_right_for_a_correction_and_who_made_it_must_be_said()
    {
        // The day on which it was generated must still be there when the rows are added up.
        await using var service = await UsageService.StartAsync(("Usage:ReportIntervalMs", "20"), ("Usage:RetentionDays", "60"));
        await service.SubscribeAsync(Samples.Snapshot("alice", Samples.Hard("billing_period", 1_000), Samples.Hard("five_hours", 1_000)));
        await GenerateAsync(service, "g", 300);
        await service.Ledger.GetHeadsAsync(new GetHeadsRequest()); // waits for a report: in one with its correction the two would leave no line
        Assert.Null(service.Clock.MoveTo(Samples.Feb1.AddDays(9)));
        // The period is over, and the window has closed: the line names the period that is corrected, and no open window changes.
        await AmendAsync(service, "late", r => (r.GenerationId, r.Deltas, r.OverrunDelta) = (Samples.GenerationId("g"), new TokenCounts { Output = -300 }, 40));
        Assert.Equal([("five_hours", 0L), ("billing_period", 0L)], (await service.Ledger.GetBalanceAsync(new GetBalanceRequest { SubscriptionId = Samples.SubscriptionId("alice") }))
            .Windows.Select(w => (w.Window, w.UsedTokens)).OrderByDescending(w => w.Window));
        await LedgerChecks.HoldAsync(service);
        Assert.Equal([("output", 0L), ("overrun", 40L)], await ReportedAsync(service));
        Assert.All(service.Reports.Values.SelectMany(r => r.Lines), l => Assert.Equal((Samples.PeriodId("alice", 0), Samples.Feb1), (l.PeriodId, l.PeriodEnd)));

        await RefusedAsync("invalid_argument", StatusCode.InvalidArgument, AmendAsync(service, null, r => (r.GenerationId, r.Deltas) = (Samples.GenerationId("g"), new TokenCounts { Output = 1 })));
        await RefusedAsync("invalid_argument", StatusCode.InvalidArgument, AmendAsync(service, "a", r => (r.GenerationId, r.Deltas, r.Author) = (Samples.GenerationId("g"), new TokenCounts { Output = 1 }, " ")));
        await RefusedAsync("invalid_argument", StatusCode.InvalidArgument, AmendAsync(service, "b", r => (r.GenerationId, r.Deltas, r.Reason) = (Samples.GenerationId("g"), new TokenCounts { Output = 1 }, "")));
        await RefusedAsync("invalid_argument", StatusCode.InvalidArgument, AmendAsync(service, "c", r => r.GenerationId = Samples.GenerationId("g")));
        await RefusedAsync("invalid_argument", StatusCode.InvalidArgument, AmendAsync(service, "d", r => r.Deltas = new TokenCounts { Output = 1 }));
        await RefusedAsync("usage_unknown", StatusCode.NotFound, AmendAsync(service, "e", r => (r.GenerationId, r.Deltas) = (Samples.GenerationId("never"), new TokenCounts { Output = 1 })));
        await RefusedAsync("usage_unknown", StatusCode.NotFound, VoidAsync(service, "f", "never"));
        await RefusedAsync("usage_unknown", StatusCode.NotFound, AmendAsync(
            service, "g", r => (r.SubscriptionId, r.PeriodId, r.Deltas) = (Samples.SubscriptionId("alice"), Samples.PeriodId("alice", 7), new TokenCounts { Output = 1 })));
    }

    [Fact]
    public async Task Usage_in_two_periods_is_amended_in_the_one_that_is_named_and_voided_in_both()
    {
        await using var service = await UsageService.StartAsync();
        await service.SubscribeAsync(Samples.Snapshot("alice"));
        await using var stream = new RuntimeStream(service.Meter);
        await stream.SendAsync(Samples.Start("g", "alice"));
        await stream.GrantOf("g");
        await stream.SendAsync(Samples.Chunk("g", 1, 10));
        await stream.AckOf("g", 1);
        Assert.Null(service.Clock.MoveTo(Samples.Feb1));
        await stream.SendAsync(Samples.Chunk("g", 2, 30));
        await stream.AckOf("g", 2);

        await RefusedAsync("correction_ambiguous", StatusCode.FailedPrecondition, AmendAsync(service, "a", r => (r.GenerationId, r.Deltas) = (Samples.GenerationId("g"), new TokenCounts { Output = -1 })));
        await AmendAsync(service, "b", r => (r.GenerationId, r.PeriodId, r.Deltas) = (Samples.GenerationId("g"), Samples.PeriodId("alice", 1), new TokenCounts { Output = -1 }));
        Assert.Equal([-10, -19], (await VoidAsync(service, "c", "g")).Corrections.Select(c => c.Tokens.Output));
        // It was not stopped: what it generates after the void counts.
        await stream.SendAsync(Samples.Chunk("g", 3, 35));
        await stream.AckOf("g", 3);
        await LedgerChecks.HoldAsync(service);
        Assert.Equal([("output", 5L)], await ReportedAsync(service));
    }

    private static async Task GenerateAsync(UsageService service, string generation, long output, long input = 0)
    {
        await service.Meter.AuthorizeAsync(new AuthorizeRequest { Start = Samples.Start(generation, "alice", input: input), TokensWanted = output });
        var finish = Samples.Finish(generation, 1);
        finish.Totals = new TokenCounts { Output = output };
        await service.Meter.SettleAsync(new SettleRequest { Finish = finish });
    }

    private static async Task<CorrectUsageResponse> AmendAsync(UsageService service, string? key, Action<AmendUsageRequest> say)
    {
        var request = new AmendUsageRequest { Author = "ada", Reason = "metered twice" };
        say(request);
        return await service.Corrections.AmendUsageAsync(request, KeyOf(key));
    }

    private static async Task<CorrectUsageResponse> VoidAsync(UsageService service, string key, string generation) =>
        await service.Corrections.VoidUsageAsync(new VoidUsageRequest { GenerationId = Samples.GenerationId(generation), Author = "ada", Reason = "the model answered nonsense" }, KeyOf(key));

    private static Metadata KeyOf(string? key) => key is null ? [] : new Metadata { { IdempotentCalls.Metadata, key } };

    private static async Task RefusedAsync(string reason, StatusCode status, Task<CorrectUsageResponse> call)
    {
        var refused = await Assert.ThrowsAsync<RpcException>(() => call);
        Assert.Equal((status, reason), (refused.StatusCode, When_a_generation_is_metered.Reason(refused)));
    }

    private static async Task<(string, long)[]> UsedAsync(UsageService service) =>
        [.. (await service.Ledger.GetBalanceAsync(new GetBalanceRequest { SubscriptionId = Samples.SubscriptionId("alice"), Conversation = "c1" })).Windows.Select(w => (w.Window, w.UsedTokens))];

    private static Task<(string, long)[]> ReportedAsync(UsageService service) => Task.FromResult<(string, long)[]>(
        [.. service.Reports.Values.SelectMany(r => r.Lines).GroupBy(l => l.Kind).Select(g => (g.Key, g.Sum(l => l.Tokens))).Where(l => l.Item2 != 0 || l.Key == "output").OrderBy(l => l.Key)]);
}
