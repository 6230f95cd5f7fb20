using Hosting;
using Marten;
using PlanDesign.Menus;

namespace PlanDesign.Host.Tests;

/// <summary>One sample of every stored event. Pins its name and JSON, and proves that every fold has an arm for it.</summary>
public class EventShapeTests
{
    private static readonly DateTimeOffset At = new(2026, 1, 1, 0, 0, 0, TimeSpan.Zero);
    private static readonly SolvedTier Tier = new("plan_019b76da80008000a0a0a0a0a0a0a0a0", "2 tokens", 2, new Micros(524_000_000), 26.2, 0.3, 0.1, 0.25);

    private static readonly MenuEvent[] History =
    [
        new MenuDrafted("Chat", "{\"market\":1}", 3, Currency.Parse("USD"), 20, ["small"], At),
        new MenuSolved("optimal", [Tier], 10.96, 12.86, 1.9, 11, new(10.96, 0, 1e-15, 0), [new("one_plan", 9.6, 12, 2.4, 0.8, 1.2)], At),
        new MenuPublished("ada", At.AddHours(1)),
        new MenuRetired("ada", "a new menu earns more", At.AddHours(2)),
        new MenuDiscarded("ada", "too dear", At.AddHours(1)),
    ];

    private static readonly (string Name, string Json)[] Shapes =
    [
        ("menu_drafted", """{"name":"Chat","market":"{\u0022market\u0022:1}","plansMax":3,"currency":"USD","conversationsPerPeriod":20,"models":["small"],"at":"2026-01-01T00:00:00+00:00"}"""),
        ("menu_solved", """{"exitReason":"optimal","tiers":[{"planId":"plan_019b76da80008000a0a0a0a0a0a0a0a0","name":"2 tokens","capTokens":2,"periodFee":524000000,"pricePerConversation":26.2,"share":0.3,"urgencyFromPerSecond":0.1,"urgencyToPerSecond":0.25}],"profit":10.96,"revenue":12.86,"servingCost":1.9,"profitUnlimited":11,"certificate":{"upperBound":10.96,"gap":0,"maxIncentiveViolation":1E-15,"maxParticipationViolation":0},"alternatives":[{"kind":"one_plan","profit":9.6,"revenue":12,"servingCost":2.4,"shareServed":0.8,"tokens":1.2}],"at":"2026-01-01T00:00:00+00:00"}"""),
        ("menu_published", """{"actor":"ada","at":"2026-01-01T01:00:00+00:00"}"""),
        ("menu_retired", """{"actor":"ada","reason":"a new menu earns more","at":"2026-01-01T02:00:00+00:00"}"""),
        ("menu_discarded", """{"actor":"ada","reason":"too dear","at":"2026-01-01T01:00:00+00:00"}"""),
    ];

    private static readonly StoreOptions Options = StoredAsInProduction();

    private static StoreOptions StoredAsInProduction()
    {
        var options = new StoreOptions();
        EventStore.Configure(options, PlanDesignHost.Schema);
        PlanDesignHost.ConfigureStore(options);
        return options;
    }

    [Fact]
    public void Every_event_type_has_a_sample() => Assert.Equal(
        typeof(MenuEvent).Assembly.GetTypes().Where(t => t.IsSubclassOf(typeof(MenuEvent))).Select(t => t.Name).Order(),
        History.Select(e => e.GetType().Name).Order());

    [Fact]
    public void The_stored_shape_never_changes()
    {
        foreach (var (e, (name, json)) in History.Zip(Shapes))
        {
            Assert.Equal(name, ((IReadOnlyStoreOptions)Options).Events.AllKnownEventTypes().Single(t => t.EventType == e.GetType()).EventTypeName);
            Assert.Equal(json, Options.Serializer().ToJson(e));
            using var stored = new MemoryStream(System.Text.Encoding.UTF8.GetBytes(json));
            Assert.Equal(e, Options.Serializer().FromJson(e.GetType(), stored));
        }
    }

    private static readonly (MenuEvent Event, string Json)[] AddedLater =
    [
        (new MenuDrafted("Chat", "{}", null, Currency.Parse("USD"), 20, [], At) { Constraints = "{\"capTokensMax\":1}", Evidence = "lengths moved" },
            """{"name":"Chat","market":"{}","plansMax":null,"currency":"USD","conversationsPerPeriod":20,"models":[],"at":"2026-01-01T00:00:00+00:00","constraints":"{\u0022capTokensMax\u0022:1}","evidence":"lengths moved"}"""),
        (new MenuDrafted("Chat", "{}", null, Currency.Parse("USD"), 20, [], At) { Terms = "{\"weekConversations\":5}" },
            """{"name":"Chat","market":"{}","plansMax":null,"currency":"USD","conversationsPerPeriod":20,"models":[],"at":"2026-01-01T00:00:00+00:00","terms":"{\u0022weekConversations\u0022:5}"}"""),
        (new MenuSolved("optimal", [], 0, 0, 0, 0, new(1, 1, 0, 0) { UpperBoundOf = "exact_prices", UpperBoundInMinorUnits = 0.75, UpperBoundAtTypes = 0.5, DensityUpperBound = 1, TokenBound = 2, TypeBound = 3 }, [], At) { Notices = ["more types bring the two closer"] },
            """{"exitReason":"optimal","tiers":[],"profit":0,"revenue":0,"servingCost":0,"profitUnlimited":0,"certificate":{"upperBound":1,"gap":1,"maxIncentiveViolation":0,"maxParticipationViolation":0,"upperBoundOf":"exact_prices","upperBoundInMinorUnits":0.75,"upperBoundAtTypes":0.5,"densityUpperBound":1,"tokenBound":2,"typeBound":3},"alternatives":[],"at":"2026-01-01T00:00:00+00:00","notices":["more types bring the two closer"]}"""),
        (new MenuSolved("optimal", [], 0, 0, 0, 0, new(1, 1, 0, 0), [], At) { ConstraintCosts = [new("cap_tokens_max", 4.5, 0.25, -2, "not_worth_serving", true), new("all", null, null, null, "not_certified", false) { Unknown = "no menu" }] },
            """{"exitReason":"optimal","tiers":[],"profit":0,"revenue":0,"servingCost":0,"profitUnlimited":0,"certificate":{"upperBound":1,"gap":1,"maxIncentiveViolation":0,"maxParticipationViolation":0},"alternatives":[],"at":"2026-01-01T00:00:00+00:00","constraintCosts":[{"constraint":"cap_tokens_max","profitCost":4.5,"shareServedGain":0.25,"tokensGain":-2,"exitReasonWithout":"not_worth_serving","isAbout":true},{"constraint":"all","profitCost":null,"shareServedGain":null,"tokensGain":null,"exitReasonWithout":"not_certified","isAbout":false,"unknown":"no menu"}]}"""),
        (new MenuPublished("ada", At) { Signature = new(1, "a2V5", "dmFsdWU=", "ZGlnZXN0cw==") },
            """{"actor":"ada","at":"2026-01-01T00:00:00+00:00","signature":{"form":1,"publicKey":"a2V5","value":"dmFsdWU=","digestsValue":"ZGlnZXN0cw=="}}"""),
    ];

    [Fact]
    public void What_was_added_later_has_its_own_shape_and_is_absent_before()
    {
        foreach (var (e, json) in AddedLater)
        {
            Assert.Equal(json, Options.Serializer().ToJson(e));
            using var stored = new MemoryStream(System.Text.Encoding.UTF8.GetBytes(json));
            Assert.Equal(e, Options.Serializer().FromJson(e.GetType(), stored));
        }
    }

    [Fact]
    public void Every_fold_has_an_arm()
    {
        Assert.Equal((new MenuState.Retired((MenuDrafted)History[0]), false, At.AddHours(1), At.AddHours(2), "a new menu earns more"), Folded(History.SkipLast(1)));
        Assert.Equal((new MenuState.Discarded((MenuDrafted)History[0]), true, null, At.AddHours(1), "too dear"), Folded([.. History.Take(2), History[^1]]));
    }

    private static (MenuState State, bool IsDiscarded, DateTimeOffset? PublishedAt, DateTimeOffset? RetiredAt, string? Reason) Folded(IEnumerable<MenuEvent> history)
    {
        var (state, view) = (MenuState.Initial, (MenuView?)null);
        foreach (var e in history) (state, view) = (MenuState.Evolve(state, e), MenuCatalog.Evolve(view, "menu", e));
        Assert.Equal((MenuStanding.Retired, "ada"), (view!.Standing, view.RetiredBy));
        return (state, view.IsDiscarded, view.PublishedAt, view.RetiredAt, view.RetiredReason);
    }
}
