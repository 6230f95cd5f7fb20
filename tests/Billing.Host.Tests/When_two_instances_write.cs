using Billing.Accounts;
using Grpc.Core;
using Npgsql;
using static Billing.Host.Tests.BillingApp;

namespace Billing.Host.Tests;

public sealed class When_two_instances_write
{
    [Fact]
    public async Task Subscribing_twice_at_once_under_one_id_starts_one_subscription()
    {
        await using var app = await BillingApp.StartAsync();
        var customer = await app.Billing.CreateCustomerAsync(new() { Currency = "USD" });
        for (var round = 0; round < 5; round++)
        {
            var request = new Contracts.Billing.V1.SubscribeRequest
            {
                SubscriptionId = Ids.Derive(Ids.Subscription, Jan1, $"round {round}"), CustomerId = customer.CustomerId, MenuId = BillingApp.Menu, PlanId = Small,
            };
            var answers = await Task.WhenAll(Enumerable.Range(0, 8).Select(_ => app.Billing.SubscribeAsync(request).ResponseAsync));
            Assert.Single(answers.Distinct());
        }
        Assert.Equal(5, await app.Sql<long>("select count(*) from billing.mt_events where type = 'subscription_started'"));
    }

    [Fact]
    public async Task A_customer_who_is_just_subscribing_is_not_erased()
    {
        await using var app = await BillingApp.StartAsync(connections: 2);
        var customer = await app.Billing.CreateCustomerAsync(new() { Currency = "USD" });
        var id = Ids.Derive(Ids.Subscription, Jan1, "just now");
        // Somebody else is about to start the same stream: the subscription is decided, and waits to be written.
        await using var connection = new NpgsqlConnection(app.Database.SuperuserConnectionString);
        await connection.OpenAsync();
        await using var transaction = await connection.BeginTransactionAsync();
        await using (var insert = new NpgsqlCommand($"insert into billing.mt_streams (id, version) values ('{id}', 1)", connection)) await insert.ExecuteNonQueryAsync();
        var subscribing = app.Billing.SubscribeAsync(new() { SubscriptionId = id, CustomerId = customer.CustomerId, MenuId = BillingApp.Menu, PlanId = Small }).ResponseAsync;
        await Eventually.True(async () => await Waiting("transactionid") == 1, "the subscription waits");
        var erasing = app.Billing.EraseCustomerAsync(new() { CustomerId = customer.CustomerId }).ResponseAsync;
        await Eventually.True(async () => erasing.IsCompleted || await Waiting("advisory") == 1, "the customer is erased, or waits");
        await transaction.RollbackAsync();
        Assert.Equal(customer.CustomerId, (await subscribing).CustomerId);
        Assert.Equal("customer_subscribed", (await Assert.ThrowsAsync<RpcException>(() => erasing)).GetRpcStatus()!.GetDetail<Google.Rpc.ErrorInfo>()!.Reason);
        Assert.Null((await app.Billing.GetCustomerAsync(new() { CustomerId = customer.CustomerId })).ErasedAt);

        Task<long> Waiting(string what) => app.Sql<long>($"select count(*) from pg_locks l join pg_stat_activity a using (pid) where not l.granted and l.locktype = '{what}' and a.datname = current_database()");
    }

    [Fact]
    public async Task A_note_that_is_just_being_kept_is_erased_with_its_customer()
    {
        await using var app = await BillingApp.StartAsync(connections: 2);
        var customer = (await app.Billing.CreateCustomerAsync(new() { Currency = "USD" })).CustomerId;
        await using var connection = new NpgsqlConnection(app.Database.SuperuserConnectionString);
        await connection.OpenAsync();
        await using var transaction = await connection.BeginTransactionAsync();
        await using (var insert = new NpgsqlCommand($"insert into billing.mt_streams (id, version) values ('{AccountIds.Of(customer)}', 1)", connection)) await insert.ExecuteNonQueryAsync();
        var noting = app.Agreements.SetTaxTreatmentAsync(new() { CustomerId = customer, Jurisdiction = "DE", Treatment = "exempt", Note = "certificate 4711" }).ResponseAsync;
        await Eventually.True(async () => await app.Sql<long>("select count(*) from pg_locks where not granted and locktype = 'transactionid'") == 1, "the note waits to be kept");
        var erasing = app.Billing.EraseCustomerAsync(new() { CustomerId = customer }).ResponseAsync;
        await Eventually.True(
            async () => erasing.IsCompleted || await app.Sql<long>("select count(*) from pg_locks where not granted and locktype = 'advisory'") == 1, "the customer is erased, or waits");
        await transaction.RollbackAsync();
        await Task.WhenAll(noting, erasing);
        Assert.Equal(0, await app.Sql<long>($"select count(*) from billing.personal_details where customer_id = '{customer}'"));
    }

    [Fact]
    public async Task Periods_that_two_instances_turn_at_once_turn_once()
    {
        await using var app = await BillingApp.StartAsync(new() { ["Billing:DuePollSeconds"] = "3600" });
        for (var i = 0; i < 6; i++) await app.Subscribe(Small, $"customer {i}");
        for (var month = 1; month <= 4; month++)
        {
            var at = Jan1.AddMonths(month);
            await Task.WhenAll(Enumerable.Range(0, 4).Select(_ => Task.Run(async () =>
            {
                while (await app.Get<SubscriptionsDue>().Run(at, default) > 0) { }
            })));
        }
        Assert.Equal(6 * 4, await app.Sql<long>("select count(*) from billing.mt_events where type = 'subscription_period_turned'"));
        Assert.Equal(6 * 6, await app.Sql<long>("select count(*) from billing.mt_events where type = 'period_opened'"));
    }

    /// <summary>Both have found it by its late usage, and wait to write.</summary>
    [Fact]
    public async Task A_cancelled_subscription_that_two_instances_turn_for_late_usage_turns_once_and_its_customer_is_erased_when_that_is_invoiced()
    {
        await using var app = await BillingApp.StartAsync(new() { ["Billing:DuePollSeconds"] = "3600" }, connections: 6);
        var s = await app.Subscribe(Metered);
        await app.Billing.CancelSubscriptionAsync(new() { SubscriptionId = s.SubscriptionId, When = Contracts.Billing.V1.EffectiveWhen.Now });
        await app.Advance(Mar1.AddHours(1));
        Assert.Equal(0, await app.Sql<long>("select count(*) from billing.mt_doc_periodtoclose"));
        app.Usage.Record(1, Mar1.AddHours(2), Line(s, "output", 7));
        await app.Applied(1, 1);
        Assert.Equal("customer_to_invoice", await Reason(app.Billing.EraseCustomerAsync(new() { CustomerId = s.CustomerId }).ResponseAsync));

        await using var connection = new NpgsqlConnection(app.Database.SuperuserConnectionString);
        await connection.OpenAsync();
        await using var transaction = await connection.BeginTransactionAsync();
        await using (var hold = new NpgsqlCommand($"select 1 from billing.mt_streams where id = '{s.SubscriptionId}' for update", connection)) await hold.ExecuteNonQueryAsync();
        var turning = Enumerable.Range(0, 2).Select(_ => Task.Run(() => app.Get<SubscriptionsDue>().RunLate(Mar1.AddHours(2), default))).ToArray();
        await Eventually.True(async () => await app.Sql<long>("select count(distinct l.pid) from pg_locks l join pg_stat_activity a using (pid) where not l.granted and a.datname = current_database()") == 2, "both wait");
        await transaction.RollbackAsync();
        await Task.WhenAll(turning);
        Assert.Equal(1, await app.Sql<long>("select count(*) from billing.mt_events where type = 'subscription_period_turned'"));

        await app.Advance(Apr1.AddMonths(1).AddHours(1));
        Assert.Equal(7, (await app.FinalInvoices()).Sum(i => i.Lines.Sum(l => l.Tokens)));
        Assert.NotNull((await app.Billing.EraseCustomerAsync(new() { CustomerId = s.CustomerId })).ErasedAt);
    }

    private static async Task<string> Reason(Task call) => (await Assert.ThrowsAsync<RpcException>(() => call)).GetRpcStatus()!.GetDetail<Google.Rpc.ErrorInfo>()!.Reason;

    [Fact]
    public async Task B6_reports_that_two_instances_take_in_turns_are_in_the_books_once_with_those_that_were_lost_on_their_way()
    {
        await using var app = await BillingApp.StartAsync();
        var subscription = await app.Subscribe(Metered);
        await using var other = app.Build(app.Settings);
        await other.StartAsync();
        await Task.WhenAll(Enumerable.Range(0, 3).Select(async shard =>
        {
            for (var i = 1; i <= 20; i++)
            {
                var report = app.Usage.Record(shard, Jan1, Line(subscription, "output", i));
                // Every seventh is lost, and every fifth comes twice.
                if (i % 7 != 0) await app.Publish(report);
                if (i % 5 == 0) await app.Publish(report);
            }
        }));
        for (var shard = 0; shard < 3; shard++) await app.Applied(shard, 20);
        Assert.Equal(60, await app.Sql<long>("select count(*) from billing.mt_events where type = 'usage_applied'"));
        await app.Advance(Feb1.AddHours(1));
        Assert.Equal(3 * 210, (await app.InvoiceOf(subscription.CurrentPeriod.PeriodId)).Lines.Sum(l => l.Tokens));
        await other.StopAsync();
    }

    [Fact]
    public async Task Instances_that_are_restarted_one_after_the_other_leave_no_time_without_one()
    {
        await using var app = await BillingApp.StartAsync();
        var subscription = await app.Subscribe(Metered);
        var period = subscription.CurrentPeriod.PeriodId;
        await using var second = app.Build(app.Settings);
        await second.StartAsync();
        async Task Recorded(long version) => await Eventually.True(
            async () => await app.Sql<long>($"select coalesce(max(cast(data ->> 'version' as bigint)), 0) from billing.mt_doc_periodview where id = '{period}'") == version, $"the draft follows to version {version}");

        await app.Publish(app.Usage.Record(1, Jan1, Line(subscription, "output", 1)));
        await Recorded(2);
        await app.StopAsync();
        await app.Publish(app.Usage.Record(1, Jan1, Line(subscription, "output", 2)));
        await Recorded(3);
        await app.RunAsync();
        await second.StopAsync();
        await app.Publish(app.Usage.Record(1, Jan1, Line(subscription, "output", 3)));
        await Recorded(4);
        await app.Advance(Feb1.AddHours(1));
        Assert.Equal(6, (await app.InvoiceOf(period)).Lines.Sum(l => l.Tokens));
    }

    [Fact]
    public async Task B4_a_busy_period_is_decided_on_from_its_view_and_what_came_after_as_if_from_the_beginning()
    {
        await using var app = await BillingApp.StartAsync(new() { ["Billing:DuePollSeconds"] = "3600" });
        var subscription = await app.Subscribe(Metered);
        var period = subscription.CurrentPeriod.PeriodId;
        for (var i = 0; i < 120; i++) app.Usage.Record(1, Jan1, Line(subscription, "output", 10_000));
        await app.Applied(1, 120);
        await app.CaughtUp();
        await using (var session = app.Store.QuerySession())
        {
            var fromView = await StoredStreams.ReadToDecideAsync(session, [period], default);
            var whole = await StoredStreams.ReadAsync(session, [period], default);
            Assert.Equal((whole.Period(period), whole.Version(period)), (fromView.Period(period), fromView.Version(period)));
        }
        await app.Billing.ChangePlanAsync(new() { SubscriptionId = subscription.SubscriptionId, PlanId = Small, When = Contracts.Billing.V1.EffectiveWhen.Now });
        await app.Advance(Feb1.AddHours(1));
        Assert.Equal(1_200_000, (await app.InvoiceOf(period)).Lines.Sum(l => l.Tokens));
        app.Usage.Record(1, Feb1.AddHours(2), Line(subscription, "output", 5));
        await app.Applied(1, 121);
        await app.Advance(Mar1.AddHours(1));
        Assert.Equal(5, (await app.FinalInvoices()).Single(i => i.Period.Number == 1).Lines.Where(l => l.Kind == "adjustment").Sum(l => l.Tokens));
        Assert.All(await app.Replay(), r => Assert.True(r.Identical, r.Difference));
    }
}
