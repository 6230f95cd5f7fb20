using Billing.Invoices;
using Billing.Periods;
using Billing.Rating;
using Contracts.Billing.V1;
using Contracts.Messages;
using Grpc.Core;
using Marten;
using Npgsql;
using static Billing.Host.Tests.BillingApp;

namespace Billing.Host.Tests;

public sealed class When_reports_arrive
{
    [Theory, InlineData("in order"), InlineData("backwards"), InlineData("twice and mixed")]
    public async Task B6_order_and_repetition_change_nothing(string how)
    {
        await using var app = await BillingApp.StartAsync(new() { ["Billing:GapPollSeconds"] = "3600" });
        var subscription = await app.Subscribe(Metered);
        var reports = Enumerable.Range(1, 6).Select(i => app.Usage.Record(2, Jan1.AddHours(i), Line(subscription, "output", 100_003 * i), Line(subscription, "reasoning", i))).ToArray();
        UsageRecorded[] sent = how switch
        {
            "in order" => reports,
            "backwards" => [.. reports.Reverse()],
            _ => [.. reports[3..], .. reports, .. reports[..2]],
        };
        foreach (var report in sent) await app.Publish(report);
        await app.Applied(2, 6);
        await app.Advance(Feb1.AddHours(1));

        // 2,100,063 output tokens; the 21 of reasoning are covered first, so 2,099,084 of them are beyond the cap, at 12.5 micros each.
        var invoice = await app.InvoiceOf(subscription.CurrentPeriod.PeriodId);
        Assert.Equal([("included", "output", 979L, 0L), ("overage", "output", 2_099_084L, 26_240_000L), ("included", "reasoning", 21L, 0L)],
            invoice.Lines.Skip(1).Select(l => (l.Kind, l.TokenKind, l.Tokens, l.AmountMicros)));
        Assert.Equal(6, await app.Sql<long>("select count(*) from billing.mt_events where type = 'usage_applied'"));
    }

    [Fact]
    public async Task B6_a_missing_report_is_noticed_by_the_next_one_and_fetched()
    {
        await using var app = await BillingApp.StartAsync(new() { ["Billing:GapPollSeconds"] = "3600" });
        var subscription = await app.Subscribe(Small);
        await app.Publish(app.Usage.Record(1, Jan1, Line(subscription, "output", 10)));
        app.Usage.Record(1, Jan1, Line(subscription, "output", 20));
        await app.Publish(app.Usage.Record(1, Jan1, Line(subscription, "output", 30)));
        await app.Applied(1, 3);
        await Eventually.True(async () => (await app.InvoiceOf(subscription.CurrentPeriod.PeriodId)).Lines.Sum(l => l.Tokens) == 60, "all three are on the draft");
    }

    [Fact]
    public async Task The_last_message_may_be_the_lost_one()
    {
        await using var app = await BillingApp.StartAsync();
        var subscription = await app.Subscribe(Small);
        app.Usage.Record(1, Jan1, Line(subscription, "output", 10));
        await app.Applied(1, 1);
    }

    [Fact]
    public async Task A_report_for_a_period_that_nobody_opened_is_parked_and_holds_up_the_closing()
    {
        await using var app = await BillingApp.StartAsync();
        var subscription = await app.Subscribe(Small);
        var stranger = Line(subscription, "output", 10) with { PeriodId = Ids.Derive(Ids.Period, Jan1, "stranger") };
        await app.Publish(app.Usage.Record(1, Jan1, stranger, Line(subscription, "output", 5)));
        await app.Publish(app.Usage.Record(1, Jan1, Line(subscription, "output", 7)));
        await Eventually.True(async () => await app.Sql<long>("select count(*) from billing.mt_doc_parkedmessage where data ->> 'reason' = 'period_unknown'") == 1, "it is parked with its reason");
        await Eventually.True(async () => (await app.Billing.GetAppliedReportsAsync(new())).Shards is [{ ThroughNumber: 0, HighestNumber: 2 }], "the report after it is applied");
        var refused = await Assert.ThrowsAsync<RpcException>(() => app.Advance(Feb1.AddHours(1)));
        Assert.Contains("report 1 of shard 1", refused.Status.Detail, StringComparison.Ordinal);
        Assert.Empty(await app.FinalInvoices());
    }

    [Fact]
    public async Task A_report_that_does_not_follow_the_one_before_stops_its_shard_alone()
    {
        await using var app = await BillingApp.StartAsync(new() { ["Billing:GapPollSeconds"] = "3600" });
        var subscription = await app.Subscribe(Small);
        await app.Publish(app.Usage.Record(1, Jan1, Line(subscription, "output", 10)));
        await app.Applied(1, 1);
        var next = app.Usage.Record(1, Jan1, Line(subscription, "output", 20));
        var chain = MerkleTree.EmptyRoot;
        for (var i = 0; i < 2; i++) chain = MerkleTree.Chain(chain, next.FirstBatch + i, Convert.FromHexString(next.Roots[i]));
        await app.Publish(next with { PreviousChain = Convert.ToHexStringLower(MerkleTree.EmptyRoot), Chain = Convert.ToHexStringLower(chain) });
        await Eventually.True(async () => await app.Sql<long>("select count(*) from billing.usage_shard where stopped is not null") == 1, "the shard is stopped");
        await app.Publish(next);
        await app.Publish(app.Usage.Record(2, Jan1, Line(subscription, "output", 30)));
        await app.Applied(2, 1);
        Assert.Equal(1, (await app.Billing.GetAppliedReportsAsync(new())).Shards.Single(s => s.Shard == 1).HighestNumber);
    }

    [Fact]
    public async Task B4_the_live_view_equals_the_fold_from_zero_byte_for_byte()
    {
        await using var app = await BillingApp.StartAsync();
        var subscription = await app.Subscribe(Metered);
        for (var i = 1; i <= 20; i++) await app.Publish(app.Usage.Record(i % 3, Jan1.AddMinutes(i), Line(subscription, "output", 1_000 * i), Line(subscription, "input", i)));
        for (var shard = 0; shard < 3; shard++) await app.Applied(shard, 6);
        await app.CaughtUp();
        var periodId = subscription.CurrentPeriod.PeriodId;
        await using var session = app.Store.QuerySession();
        var events = (await session.Events.FetchStreamAsync(periodId)).Select(e => (PeriodEvent)e.Data).ToArray();
        var folded = events.Aggregate((PeriodView?)null, (v, e) => PeriodView.Fold(v, periodId, e))!;
        var live = (await session.LoadAsync<PeriodView>(periodId))!;
        var serializer = app.Store.Options.Serializer();
        Assert.Equal(serializer.ToJson(folded), serializer.ToJson(live));
        var facts = ((PeriodState.Open)events.Aggregate(PeriodState.Initial, PeriodState.Evolve)).Facts;
        var menus = await app.Get<MenuBook>().Get(session, InvoiceRating.MenusOf(facts), default);
        Assert.Equal(System.Text.Encoding.UTF8.GetString(InvoiceDocument.Draft(facts, RatingTerms.Of(menus)).ToUtf8()), (await app.InvoiceOf(periodId)).Document);
    }

    /// <summary>From now on no daemon runs here: views stand still.</summary>
    private static async Task<NpgsqlConnection> AnotherIsElected(BillingApp app)
    {
        await app.StopAsync();
        var connection = new NpgsqlConnection(app.Database.SuperuserConnectionString);
        await connection.OpenAsync();
        await using (var elected = new NpgsqlCommand("select pg_advisory_lock(hashtext('billing.daemon'))", connection)) await elected.ExecuteNonQueryAsync();
        await app.RunAsync();
        return connection;
    }

    [Fact]
    public async Task A_draft_has_what_is_in_the_books_though_its_view_stands_still()
    {
        await using var app = await BillingApp.StartAsync();
        var subscription = await app.Subscribe(Metered);
        // A busy period's draft begins with its view.
        const int before = 110, after = 5;
        for (var i = 1; i <= before; i++) await app.Publish(app.Usage.Record(1, Jan1.AddMinutes(i), Line(subscription, "output", i)));
        await app.Applied(1, before);
        await app.CaughtUp();
        await using var other = await AnotherIsElected(app);
        for (var i = before + 1; i <= before + after; i++) await app.Publish(app.Usage.Record(1, Jan1.AddMinutes(i), Line(subscription, "output", i)));
        await app.Applied(1, before + after);
        const long all = (before + after) * (before + after + 1) / 2;
        Assert.Equal(before + 1, await app.Sql<long>($"select (data ->> 'version')::bigint from billing.mt_doc_periodview where id = '{subscription.CurrentPeriod.PeriodId}'"));
        Assert.Equal(all, (await app.InvoiceOf(subscription.CurrentPeriod.PeriodId)).Lines.Sum(l => l.Tokens));
        Assert.Equal(all, (await app.Billing.GetInvoiceAsync(new() { InvoiceId = InvoiceIds.Of(subscription.CurrentPeriod.PeriodId) })).Lines.Sum(l => l.Tokens));
        Assert.Equal(all, (await app.Billing.ListInvoicesAsync(new() { Status = InvoiceStatus.Draft })).Invoices.Single().Lines.Sum(l => l.Tokens));
    }

    /// <summary>January is closed and waits for its invoice, February is open: each of them is on one of the two lists.</summary>
    [Fact]
    public async Task A_subscription_that_began_while_the_view_stood_still_has_its_drafts_like_any_other()
    {
        await using var app = await BillingApp.StartAsync(new() { ["Billing:FinalizeBy"] = "hand" });
        var before = await app.Subscribe(Metered, "before");
        await app.CaughtUp();
        await using var other = await AnotherIsElected(app);
        var since = await app.Subscribe(Metered, "since");
        await app.Publish(app.Usage.Record(1, Jan1.AddMinutes(1), Line(before, "output", 3), Line(since, "output", 7)));
        await app.Applied(1, 1);
        await app.Advance(Feb1.AddHours(2));
        Assert.Equal(0, await app.Sql<long>($"select count(*) from billing.mt_doc_periodview where data ->> 'subscriptionId' = '{since.SubscriptionId}'"));
        Assert.Equal(1, await app.Sql<long>($"select count(*) from billing.mt_doc_periodtoinvoice where id = '{since.CurrentPeriod.PeriodId}'"));

        var owner = new CustomersOwn(app.Store);
        foreach (var period in new[] { since.CurrentPeriod.PeriodId, since.NextPeriod.PeriodId })
        {
            var (id, tokens) = (InvoiceIds.Of(period), period == since.CurrentPeriod.PeriodId ? 7 : 0);
            Assert.Equal(tokens, (await app.Billing.GetInvoiceAsync(new() { InvoiceId = id })).Lines.Sum(l => l.Tokens));
            Assert.Contains(id, (await app.Invoicing.GetInvoiceDocumentAsync(new() { InvoiceId = id })).Content.ToStringUtf8(), StringComparison.Ordinal);
            Assert.Contains("\"draft\"", (await app.Audit.AsOfAsync(new() { Id = id })).Json, StringComparison.Ordinal);
            await owner.CheckAsync(since.CustomerId, "", new GetInvoiceRequest { InvoiceId = id }, default);
            var refused = await Assert.ThrowsAsync<Hosting.RefusedException>(() => owner.CheckAsync(before.CustomerId, "", new GetInvoiceRequest { InvoiceId = id }, default));
            Assert.Equal("invoice_unknown", refused.Refusal.Code);
        }

        string[] hers = [.. new[] { since.CurrentPeriod, since.NextPeriod }.Select(p => InvoiceIds.Of(p.PeriodId)).Order(StringComparer.Ordinal)];
        string[] all = [.. hers.Concat(new[] { before.CurrentPeriod, before.NextPeriod }.Select(p => InvoiceIds.Of(p.PeriodId))).Order(StringComparer.Ordinal)];
        foreach (var size in new[] { 1, 2, 3, 50 }) Assert.Equal((size, string.Join(' ', all), string.Join(' ', hers)), (size, await Listed(size, ""), await Listed(size, since.SubscriptionId)));

        async Task<string> Listed(int size, string subscription)
        {
            var (ids, page) = (new List<string>(), "");
            do
            {
                var response = await app.Billing.ListInvoicesAsync(new() { Status = InvoiceStatus.Draft, PageSize = size, PageToken = page, SubscriptionId = subscription });
                ids.AddRange(response.Invoices.Select(i => i.InvoiceId));
                page = response.NextPageToken;
            }
            while (page.Length > 0);
            return string.Join(' ', ids);
        }
    }

    [Fact]
    public async Task Events_of_usage_are_stored_as_Marten_stores_them()
    {
        await using var app = await BillingApp.StartAsync();
        var subscription = await app.Subscribe(Metered);
        var periodId = subscription.CurrentPeriod.PeriodId;
        await app.Publish(app.Usage.Record(1, Jan1.AddMinutes(1).AddTicks(1_234_560), Line(subscription, "output", 7), Line(subscription, "input", 3)));
        await app.Applied(1, 1);
        await using (var session = app.Store.LightweightSession())
        {
            var ours = (await session.Events.FetchStreamAsync(periodId))[^1];
            Assert.Equal((2L, "usage_applied"), (ours.Version, ours.EventTypeName));
            session.Events.Append(periodId, ours.Data);
            await session.SaveChangesAsync();
        }
        // Everything but which event it is, and when.
        var rows = $"select (to_jsonb(e) - 'seq_id' - 'id' - 'version' - 'timestamp')::text from billing.mt_events e where stream_id = '{periodId}' and version =";
        Assert.Equal(await app.Sql<string>($"{rows} 3"), await app.Sql<string>($"{rows} 2"));
        Assert.Equal(3, await app.Sql<long>($"select version from billing.mt_streams where id = '{periodId}'"));
    }

    [Fact]
    public async Task B6_a_report_that_meets_another_writer_in_a_period_is_applied_after_him()
    {
        await using var app = await BillingApp.StartAsync();
        var subscription = await app.Subscribe(Metered);
        var periodId = subscription.CurrentPeriod.PeriodId;
        await app.Publish(app.Usage.Record(1, Jan1, Line(subscription, "output", 7)));
        await app.Applied(1, 1);
        await using var connection = new NpgsqlConnection(app.Database.SuperuserConnectionString);
        await connection.OpenAsync();
        // Written as Marten writes: the event under the next version first, then the stream.
        await using var transaction = await connection.BeginTransactionAsync();
        await using (var append = new NpgsqlCommand($"""
            insert into billing.mt_events (seq_id, id, stream_id, version, data, type, mt_dotnet_type)
            select nextval('billing.mt_events_sequence'), gen_random_uuid(), stream_id, 3, data, type, mt_dotnet_type from billing.mt_events where stream_id = '{periodId}' and version = 2
            """, connection)) await append.ExecuteNonQueryAsync();
        await app.Publish(app.Usage.Record(1, Jan1, Line(subscription, "output", 11)));
        await Eventually.True(
            async () => await app.Sql<long>("select count(*) from pg_locks l join pg_stat_activity a using (pid) where not l.granted and a.datname = current_database()") == 1, "the report waits");
        await using (var stream = new NpgsqlCommand($"update billing.mt_streams set version = 3 where id = '{periodId}'", connection)) await stream.ExecuteNonQueryAsync();
        await transaction.CommitAsync();
        await app.Applied(1, 2);
        Assert.Equal(4, await app.Sql<long>($"select version from billing.mt_streams where id = '{periodId}'"));
        Assert.Equal(7 + 7 + 11, (await app.InvoiceOf(periodId)).Lines.Sum(l => l.Tokens));
    }

    [Fact]
    public async Task B6_a_menu_that_arrives_twice_is_received_once_and_another_under_its_id_is_parked()
    {
        await using var app = await BillingApp.StartAsync();
        await app.Publish(TheMenu);
        await app.Publish(TheMenu with { Name = "Summer" });
        await Eventually.True(async () => await app.Sql<long>("select count(*) from billing.mt_doc_parkedmessage where data ->> 'reason' = 'menu_changed'") == 1, "the other one is parked");
        Assert.Equal(1, await app.Sql<long>("select count(*) from billing.mt_events"));
    }
}
