using Contracts.Usage.V1;
using Hosting;
using Microsoft.Extensions.DependencyInjection;

namespace Usage.Host.Tests;

/// <summary>
/// Alone in its process, after all others: a meter is known by its name, so that a host which ends takes its instruments away from every
/// other one that is measured at the time. Outside tests each process has one.
/// </summary>
[Collection(Name)]
[CollectionDefinition(Name, DisableParallelization = true)]
public sealed class When_the_service_is_measured
{
    private const string Name = "measured alone";

    [Fact]
    public async Task What_the_service_does_is_measured_and_shown_to_Prometheus()
    {
        await using var service = await UsageService.StartAsync();
        await service.SubscribeAsync(Samples.Snapshot("alice", Samples.Hard("conversation", 300)));
        await using var stream = new RuntimeStream(service.Meter);
        await stream.SendAsync(Samples.Start("g", "alice"));
        await stream.GrantOf("g");
        await stream.SendAsync(Samples.Chunk("g", 1, 400));
        await stream.StopOf("g", "beyond_grant");
        await stream.SendAsync(Samples.Chunk("g", 3, 500));
        await stream.RejectionOf("g", "sequence_gap");
        await stream.SendAsync(Samples.Finish("g", 2, FinishReason.Cap));
        await stream.AckOf("g", 2);
        await stream.SendAsync(Samples.Start("none", "nobody"));
        await stream.DenialOf("none");

        using var http = new HttpClient { BaseAddress = service.App.Endpoints().Http };
        var shown = "";
        await Eventually.True(async () => (shown = await http.GetStringAsync("/metrics")).Contains("usage_reports_unpublished{", StringComparison.Ordinal), "reports are looked at");
        double Value(string name) => ValueOf(shown, name);
        // Hosts that ended before may have counted too.
        Assert.True(Value("usage_events_committed_total{") >= 3);
        Assert.True(Value("usage_tokens_overrun_total{") >= 144);
        Assert.True(Value("usage_grants_total{") >= 1);
        // What is billed, under the name that dashboards of language models know; what was beyond the grant is not.
        double Tokens(string type) => shown.Split('\n').Where(l => l.StartsWith("gen_ai_client_token_usage_sum{", StringComparison.Ordinal) && l.Contains("gen_ai_request_model=\"small-model\"", StringComparison.Ordinal)
            && l.Contains($"gen_ai_token_type=\"{type}\"", StringComparison.Ordinal)).Sum(l => double.Parse(l.Split(' ')[1], System.Globalization.CultureInfo.InvariantCulture));
        Assert.True(Tokens("output") >= 256, shown);
        Assert.True(Value("usage_commit_duration_seconds_count{") >= 2);
        Assert.Contains("reason=\"subscription_unknown\"", shown, StringComparison.Ordinal);
        Assert.Contains("reason=\"beyond_grant\"", shown, StringComparison.Ordinal);
        Assert.Contains("reason=\"sequence_gap\"", shown, StringComparison.Ordinal);
        foreach (var gauge in new[] { "usage_rows_waiting", "usage_reports_lag_seconds", "usage_slabs_tokens", "usage_slabs_wait_seconds", "usage_tokens_held", "usage_streams", "usage_generations", "usage_owners", "usage_watchers" })
            Assert.Contains(gauge, shown, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Reports_that_nobody_takes_are_shown_as_lag_until_they_are_taken()
    {
        await using var service = await UsageService.PrepareAsync();
        await service.StartHostAsync();
        await service.ReadyAsync();
        await service.App.Services.GetRequiredService<Owners.TermsSource>().StoreAsync(Owners.SnapshotTerms.Of(Samples.Snapshot("alice")), CancellationToken.None);
        await service.Meter.AuthorizeAsync(new AuthorizeRequest { Start = Samples.Start("g", "alice", input: 9) });
        await service.Ledger.GetHeadsAsync(new GetHeadsRequest());
        using var http = new HttpClient { BaseAddress = service.App.Endpoints().Http };
        await Eventually.True(async () => await ShownAsync("usage_reports_lag_seconds{") > 0 && await ShownAsync("usage_reports_unpublished{") == 1, "the lag is shown");
        await service.ListenAsync();
        await Eventually.True(async () => await ShownAsync("usage_reports_lag_seconds{") == 0 && await ShownAsync("usage_reports_unpublished{") == 0, "there is none any more");

        async Task<double> ShownAsync(string gauge) => ValueOf(await http.GetStringAsync(new Uri("/metrics", UriKind.Relative)), gauge);
    }

    private static double ValueOf(string shown, string name) =>
        shown.Split('\n').Where(l => l.StartsWith(name, StringComparison.Ordinal)).Sum(l => double.Parse(l.Split(' ')[1], System.Globalization.CultureInfo.InvariantCulture));
}
