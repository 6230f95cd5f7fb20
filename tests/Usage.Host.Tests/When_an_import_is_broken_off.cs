using System.Net;
using System.Text;
using Contracts.Usage.V1;
using Hosting;
using Microsoft.Extensions.DependencyInjection;
using Usage.Host.Imports;
using Usage.Imports;

namespace Usage.Host.Tests;

/// <summary>An event's key is fixed, then its usage is recorded, then the key is marked: whatever is lost in between, a repeat counts it once.</summary>
public sealed class When_an_import_is_broken_off
{
    private const int Producers = 4, EventsEach = 60, Kills = 3;
    private const long TokensEach = 7;

    [Fact]
    public async Task U3_a_repeat_takes_up_what_a_lost_service_left_after_any_step()
    {
        await using var service = await UsageService.StartAsync(("Usage:ReportIntervalMs", "20"));
        await service.SubscribeAsync(Samples.Snapshot("alice", Samples.Hard("billing_period", 10_000)));
        string[] steps = ["the key is fixed", "the prompt is recorded", "all is recorded", "the key is marked"];

        // After the first step: the key, and nothing else.
        var keyed = await service.App.Services.GetRequiredService<ImportedEvents>().FixAsync([.. steps[..2].Select(Fixed)], CancellationToken.None);
        // After the second: as if the rows of one turn had gone to two commits, and only the first was one.
        var generation = Ids.Format(Ids.Generation, keyed.Single(k => k.Event.Id == steps[1]).Generation);
        var start = new Start { GenerationId = generation, SubscriptionId = Samples.SubscriptionId("alice"), Conversation = generation, Model = "small-model", Prompt = new(), Resumed = true };
        Assert.NotNull((await service.Meter.AuthorizeAsync(new AuthorizeRequest { Start = start })).Grant);
        await Eventually.True(async () => await service.ScalarAsync<long>("select count(*) from usage.token_event") == 1, "the prompt is recorded");
        await PostAsync(service, steps[2]);
        await service.ScalarAsync<long>("with unmarked as (update usage.imported_event set recorded = false returning 1) select count(*) from unmarked");
        await PostAsync(service, steps[3]);

        foreach (var lost in new[] { true, false })
        {
            if (lost)
            {
                // What a successor cannot see of a lost one is what this one has in memory.
                await service.StopHostAsync();
                await service.StartHostAsync();
                await service.ReadyAsync();
            }
            foreach (var step in steps) await PostAsync(service, step);
        }
        Assert.Equal((4, 28, 8), (
            await service.ScalarAsync<long>("select count(*) from usage.imported_event where recorded"),
            await service.ScalarAsync<long>("select sum(output) from usage.token_event"), await service.ScalarAsync<long>("select count(*) from usage.token_event")));
        await LedgerChecks.HoldAsync(service);
    }

    [Fact]
    public async Task U3_U4_U5_every_event_that_was_answered_is_recorded_once_across_kills()
    {
        await using var watch = await UsageService.PrepareAsync(settings: [("Usage:BatchRowsMax", "3"), ("Usage:ReportIntervalMs", "50")]);
        await using var process = watch.Apart().Process;
        await watch.ListenAsync();
        using var http = new HttpClient { BaseAddress = process.Http };
        var answered = 0;
        Task[] producing = [];
        for (var life = 0; life <= Kills; life++)
        {
            await process.StartAsync();
            try
            {
                if (life == 0)
                {
                    await watch.SubscribeAsync(Samples.Snapshot("alice", Samples.Hard("billing_period", 1_000_000)));
                    producing = [.. Enumerable.Range(0, Producers).Select(p => ProduceAsync(http, p, () => Interlocked.Increment(ref answered)))];
                }
                var before = Volatile.Read(ref answered);
                if (life < Kills) await Eventually.True(() => Volatile.Read(ref answered) >= before + 5, "some more are answered");
                else await Task.WhenAll(producing);
            }
            finally
            {
                await process.KillAsync();
            }
        }

        await watch.StartHostAsync();
        await watch.ReadyAsync();
        await LedgerChecks.HoldAsync(watch);
        Assert.Equal((Producers * EventsEach, Producers * EventsEach * TokensEach, 0), (
            await watch.ScalarAsync<long>("select count(*) from usage.token_event where sequence = 1"),
            await watch.ScalarAsync<long>("select sum(output) from usage.token_event"), await watch.ScalarAsync<long>("select sum(overrun) from usage.token_event")));
    }

    /// <summary>In batches of three, the last of which is the first of the next: each sent until it is answered.</summary>
    private static async Task ProduceAsync(HttpClient http, int producer, Action answered)
    {
        for (var first = 0; first < EventsEach - 1; first += 2)
        {
            var batch = string.Join(',', Enumerable.Range(first, Math.Min(3, EventsEach - first)).Select(n => When_events_are_imported.Event("alice", $"{producer}-{n}", TokensEach)));
            await Eventually.True(async () => await PostAsync(http, $"[{batch}]") == HttpStatusCode.NoContent, "a batch is taken");
            answered();
        }
    }

    private static Task PostAsync(UsageService service, string id) => PostAsync(service, "alice", id, TokensEach);

    internal static async Task PostAsync(UsageService service, string subscription, string id, long output)
    {
        using var http = new HttpClient { BaseAddress = service.App.Endpoints().Http };
        Assert.Equal(HttpStatusCode.NoContent, await PostAsync(http, When_events_are_imported.Event(subscription, id, output)));
    }

    private static async Task<HttpStatusCode> PostAsync(HttpClient http, string body)
    {
        using var content = new StringContent(body, Encoding.UTF8, "application/json");
        using var response = await http.PostAsync(new Uri("/api/v1/events", UriKind.Relative), content);
        return response.StatusCode;
    }

    private static ImportedEvent Fixed(string id)
    {
        using var json = System.Text.Json.JsonDocument.Parse(When_events_are_imported.Event("alice", id, TokensEach));
        Assert.Null(CloudEvent.Of(json.RootElement).Read(out var read));
        return read;
    }
}
