using System.Collections.Concurrent;
using Contracts.Messages;
using Contracts.PlanDesign.V1;
using Hosting;
using Marten;
using MassTransit;
using Microsoft.Extensions.DependencyInjection;
using static PlanDesign.Host.Tests.Requests;
using Announced = Contracts.Messages.MenuPublished;
using AnnouncedRetirement = Contracts.Messages.MenuRetired;

namespace PlanDesign.Host.Tests;

public sealed class MenuPublisherTests : IAsyncLifetime
{
    private readonly ConcurrentQueue<(Guid? Id, Announced Message)> _heard = [];
    private readonly ConcurrentQueue<(Guid? Id, AnnouncedRetirement Message)> _retired = [];
    private string _postgres = "";
    private Uri _rabbitMq = null!;

    public async Task InitializeAsync()
    {
        _postgres = (await Servers.CreateDatabaseAsync(RunningPlanDesign.Tables)).ConnectionString("plan_design");
        _rabbitMq = await Servers.CreateVirtualHostAsync();
    }

    public Task DisposeAsync() => Task.CompletedTask;

    /// <summary>Listens as billing does: a durable queue, bound for the message.</summary>
    private async Task<IBusControl> Billing(Uri? broker = null, bool hearsRetirements = true)
    {
        var bus = MassTransit.Bus.Factory.CreateUsingRabbitMq(rabbit =>
        {
            rabbit.Host(broker ?? _rabbitMq);
            rabbit.PrefetchCount = 1;
            rabbit.ReceiveEndpoint("billing-menu-published", e => e.Handler<Announced>(c =>
            {
                _heard.Enqueue((c.MessageId, c.Message));
                return Task.CompletedTask;
            }));
            if (hearsRetirements)
                rabbit.ReceiveEndpoint("billing-menu-retired", e => e.Handler<AnnouncedRetirement>(c =>
                {
                    _retired.Enqueue((c.MessageId, c.Message));
                    return Task.CompletedTask;
                }));
        });
        await bus.StartAsync();
        return bus;
    }

    private Task Hears(int count) => Eventually.True(() => _heard.Select(h => h.Id).Distinct().Count() >= count, $"billing hears of {count} menus");

    private static async Task<IReadOnlyList<JasperFx.Events.IEvent>> History(RunningPlanDesign plans, string menuId)
    {
        await using var session = plans.App.Services.GetRequiredService<IDocumentStore>().QuerySession();
        return await session.Events.FetchStreamAsync(menuId);
    }

    [Fact]
    public async Task Windows_and_overage_prices_are_announced_with_every_plan_and_signed()
    {
        var billing = await Billing();
        await using var plans = await RunningPlanDesign.StartAsync(_postgres, _rabbitMq);
        var draft = Draft();
        draft.Terms = new() { FiveHoursConversations = 3, WeekConversations = 10, Overage = { new OveragePrice { Kind = "output", PerMillionTokens = "12.50" }, new OveragePrice { Kind = "reasoning", PerMillionTokens = "15" } } };
        var menu = await plans.Client.DraftMenuAsync(draft);
        Assert.Equal(draft.Terms, menu.Terms);
        await plans.Client.PublishMenuAsync(Publish(menu));
        await Hears(1);

        var message = Assert.Single(_heard).Message;
        Assert.Equal(
            [("conversation", 2L, "hard"), ("five_hours", 6L, "hard"), ("week", 20L, "hard"), ("billing_period", 40L, "billed")],
            message.Plans[0].Caps.Select(c => (c.Window, c.Tokens, c.Enforcement)));
        Assert.All(message.Plans, p => Assert.Equal([("output", "12.50", ""), ("reasoning", "15", "")], p.Overage.Select(o => (o.Kind, o.PerMillionTokens, o.Model))));
        var signed = SignedMenu.Check(System.Text.Encoding.UTF8.GetBytes((await plans.Client.GetMenuAsync(new() { MenuId = menu.MenuId, IncludeSignedDocument = true })).SignedDocument));
        Assert.Empty(signed.Findings);
        Assert.Contains("12.50", signed.Document!.Terms, StringComparison.Ordinal);

        var packages = Draft("packages");
        packages.Terms = new()
        {
            Overage =
            {
                new OveragePrice { Kind = "output", Model = "package", PackageTokens = 100_000, PackagePriceMicros = 2_000_000 },
                new OveragePrice { Kind = "reasoning", Model = "volume", Tiers = { new PriceTier { UpTo = 1_000_000, PerMillionTokens = "12.50" }, new PriceTier { PerMillionTokens = "8" } } },
            },
        };
        menu = await plans.Client.DraftMenuAsync(packages);
        Assert.Equal(packages.Terms, menu.Terms);
        await plans.Client.PublishMenuAsync(Publish(menu));
        await Hears(2);
        Assert.All(_heard.Last().Message.Plans, p =>
        {
            Assert.Equal([("output", "", "package", new PublishedPackage(100_000, 2_000_000)), ("reasoning", "", "volume", null)], p.Overage.Select(o => (o.Kind, o.PerMillionTokens, o.Model, o.Package)));
            Assert.Equal([new(1_000_000, "12.50"), new(0, "8")], p.Overage[1].Tiers!);
        });
        packages.Terms.Overage[0].PerMillionTokens = "3";
        Assert.Contains("per_million_tokens", (await Refused(() => plans.Client.DraftMenuAsync(packages))).Detail, StringComparison.Ordinal);

        draft.Terms.Overage[0].Kind = "words";
        Assert.Equal(Grpc.Core.StatusCode.InvalidArgument, (await Refused(() => plans.Client.DraftMenuAsync(draft))).Status);
        draft.Terms = new() { WeekConversations = 20 };
        Assert.Contains("terms.week_conversations", (await Refused(() => plans.Client.DraftMenuAsync(draft))).Detail, StringComparison.Ordinal);
        await billing.StopAsync();
    }

    [Fact]
    public async Task A_published_menu_is_announced_with_its_caps_and_fees_under_its_events_id()
    {
        var billing = await Billing();
        await using var plans = await RunningPlanDesign.StartAsync(_postgres, _rabbitMq);
        var menu = await plans.Client.DraftMenuAsync(Draft());
        await plans.Client.PublishMenuAsync(Publish(menu));
        await Hears(1);

        var (id, message) = Assert.Single(_heard);
        Assert.Equal((await History(plans, menu.MenuId))[2].Id, id);
        Assert.Equal((menu.MenuId, "Chat", "USD", 20), (message.MenuId, message.Name, message.Currency, message.ConversationsPerPeriod));
        Assert.Equal(["small", "large"], message.Models);
        Assert.Equal(menu.Plans.Select(p => (p.PlanId, p.Name, p.PeriodFeeMicros)), message.Plans.Select(p => (p.PlanId, p.Name, p.PeriodFeeMicros)));
        Assert.Equal(
            [("conversation", 2L, "output,reasoning", "hard"), ("billing_period", 40L, "output,reasoning", "hard")],
            message.Plans[0].Caps.Select(c => (c.Window, c.Tokens, string.Join(",", c.Counts), c.Enforcement)));
        Assert.All(message.Plans, p => Assert.Empty(p.Overage));
        await billing.StopAsync();
    }

    [Fact]
    public async Task A_menu_published_before_billing_ever_ran_is_announced_once_it_does()
    {
        await using var plans = await RunningPlanDesign.StartAsync(_postgres, _rabbitMq);
        var first = await plans.Client.DraftMenuAsync(Draft("first"));
        var second = await plans.Client.DraftMenuAsync(Draft("second"));
        await plans.Client.PublishMenuAsync(Publish(first));
        await plans.Client.PublishMenuAsync(Publish(second));
        // Nothing else waits for the announcement.
        await plans.Client.RetireMenuAsync(new() { MenuId = first.MenuId, Actor = "ada", Reason = "changed my mind" });

        var billing = await Billing();
        await Hears(2);
        Assert.Equal(["first", "second"], _heard.DistinctBy(h => h.Id).Select(h => h.Message.Name));
        await billing.StopAsync();
    }

    [Fact]
    public async Task A_retired_menu_is_announced_under_its_events_id_and_holds_up_no_other_where_nobody_listens_for_it_yet()
    {
        var old = await Billing(hearsRetirements: false);
        await using var plans = await RunningPlanDesign.StartAsync(_postgres, _rabbitMq);
        var menu = await plans.Client.DraftMenuAsync(Draft("first"));
        await plans.Client.PublishMenuAsync(Publish(menu));
        await plans.Client.RetireMenuAsync(new() { MenuId = menu.MenuId, Actor = "ada", Reason = "a better one is on sale" });
        await plans.Client.RetireMenuAsync(new() { MenuId = menu.MenuId, Actor = "ada", Reason = "once more" });
        await plans.Client.PublishMenuAsync(Publish(await plans.Client.DraftMenuAsync(Draft("second"))));
        await Hears(2);
        Assert.Empty(_retired);
        await old.StopAsync();

        var billing = await Billing();
        await Eventually.True(() => !_retired.IsEmpty, "billing hears of the retirement");
        var retired = (await History(plans, menu.MenuId))[3];
        Assert.Equal([(retired.Id, new AnnouncedRetirement(menu.MenuId, "a better one is on sale", ((PlanDesign.Menus.MenuRetired)retired.Data).At))], _retired.Select(r => (r.Id!.Value, r.Message)).Distinct());
        await billing.StopAsync();
    }

    [Fact]
    public async Task A_service_that_still_waits_to_announce_stops_at_once_and_announces_when_it_is_back()
    {
        var plans = await RunningPlanDesign.StartAsync(_postgres, _rabbitMq);
        await plans.Client.PublishMenuAsync(Publish(await plans.Client.DraftMenuAsync(Draft())));
        await plans.DisposeAsync();

        var billing = await Billing();
        await using var back = await RunningPlanDesign.StartAsync(_postgres, _rabbitMq);
        await Hears(1);
        await billing.StopAsync();
    }

    /// <summary>As after a restore, a new broker or queues that were deleted: the log says that all are announced, and nobody has heard.</summary>
    [Fact]
    public async Task Menus_that_a_broker_lost_are_announced_again_by_order_on_a_service_that_does_not_run()
    {
        var billing = await Billing();
        string retiredId;
        await using (var plans = await RunningPlanDesign.StartAsync(_postgres, _rabbitMq))
        {
            retiredId = (await plans.Client.PublishMenuAsync(Publish(await plans.Client.DraftMenuAsync(Draft("first"))))).MenuId;
            await plans.Client.PublishMenuAsync(Publish(await plans.Client.DraftMenuAsync(Draft("second"))));
            await plans.Client.RetireMenuAsync(new() { MenuId = retiredId, Actor = "ada", Reason = "a better one is on sale" });
            await Hears(2);
            await Eventually.True(() => !_retired.IsEmpty, "billing hears of the retirement");
            Assert.Equal("service_running", (await Assert.ThrowsAsync<RefusedException>(() => PublishAgain.RunAsync(PlanDesignHost.Schema, _postgres, PlanDesignHost.Publishers))).Refusal.Code);
        }
        await billing.StopAsync();
        (Guid? Id, string Name)[] first = [.. _heard.Select(h => (h.Id, h.Message.Name)).Distinct()];
        var retirement = _retired.First();
        _heard.Clear();
        _retired.Clear();

        await PublishAgain.RunAsync(PlanDesignHost.Schema, _postgres, PlanDesignHost.Publishers);
        _rabbitMq = await Servers.CreateVirtualHostAsync();
        var again = await Billing();
        await using var back = await RunningPlanDesign.StartAsync(_postgres, _rabbitMq);
        await Hears(2);
        Assert.Equal(first, _heard.Select(h => (h.Id, h.Message.Name)).Distinct());
        await Eventually.True(() => !_retired.IsEmpty, "billing hears of the retirement again");
        Assert.Equal(retirement, _retired.First());
        await Eventually.True(async () => await AtTheEndAsync() == 2, "and it is written down that it has");
        await again.StopAsync();
    }

    /// <summary>How many publishers are at the end of the log.</summary>
    private async Task<long> AtTheEndAsync()
    {
        await using var connection = new Npgsql.NpgsqlConnection(_postgres);
        await connection.OpenAsync();
        await using var command = new Npgsql.NpgsqlCommand(
            "select count(*) from plan_design.mt_event_progression where name like 'menu%' and last_seq_id = (select max(seq_id) from plan_design.mt_events)", connection);
        return (long)(await command.ExecuteScalarAsync())!;
    }

    [Fact]
    public async Task A_broker_that_dies_and_returns_loses_no_menu()
    {
        await using var folder = await LocalServers.ServerFolder.CreateAsync(Path.Combine(Path.GetTempPath(), $"billing-tests-{Environment.UserName}"));
        await using var broker = await LocalServers.PrivateRabbitMq.StartAsync(folder);
        var billing = await Billing(broker.Uri());
        await using var plans = await RunningPlanDesign.StartAsync(_postgres, broker.Uri());
        await plans.Client.PublishMenuAsync(Publish(await plans.Client.DraftMenuAsync(Draft("before"))));
        await Hears(1);

        broker.Kill();
        var during = await plans.Client.DraftMenuAsync(Draft("during"));
        await plans.Client.PublishMenuAsync(Publish(during));
        await plans.Client.PublishMenuAsync(Publish(await plans.Client.DraftMenuAsync(Draft("during too"))));
        await broker.RestartAsync();
        await Hears(3);
        Assert.Equal(["before", "during", "during too"], _heard.DistinctBy(h => h.Id).Select(h => h.Message.Name));
        await billing.StopAsync();
    }
}
