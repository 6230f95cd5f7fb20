using PlanDesign.Menus;
using static PlanDesign.Tests.Menus.MenuScenarios;

namespace PlanDesign.Tests.Menus;

public sealed class SaleTermsTests
{
    private static readonly SaleTerms All = new(5, 12, [new(TokenKind.Output, UnitPrice.Parse("12.50")), new(TokenKind.Reasoning, UnitPrice.Parse("15"))]);

    [Fact]
    public void Without_terms_a_plan_has_the_two_hard_caps_that_it_always_had_and_nothing_is_stored()
    {
        Assert.Equal([Cap.Hard(CapWindow.Conversation, 100), Cap.Hard(CapWindow.BillingPeriod, 2_000)], SaleTerms.None.CapsOf(100, 20));
        Assert.Null(SaleTerms.Write(SaleTerms.None));
        Assert.Equal(SaleTerms.None, SaleTerms.Read(null));
        Assert.Null(((MenuDrafted)Solved()[0]).Terms);
    }

    [Fact]
    public void Windows_hold_conversations_and_a_price_makes_the_period_one_that_is_billed_beyond()
    {
        Assert.Equal(
            [
                Cap.Hard(CapWindow.Conversation, 100), Cap.Hard(CapWindow.FiveHours, 500), Cap.Hard(CapWindow.Week, 1_200),
                new Cap(CapWindow.BillingPeriod, 2_000, Cap.GeneratedTokens, CapEnforcement.Billed),
            ],
            All.CapsOf(100, 20));
        var text = SaleTerms.Write(All)!;
        Assert.Equal("""{"fiveHoursConversations":5,"weekConversations":12,"overage":[{"kind":"output","perMillionTokens":"12.50"},{"kind":"reasoning","perMillionTokens":"15"}]}""", text);
        Assert.Equal(text, SaleTerms.Write(SaleTerms.Read(text)));
    }

    [Theory]
    [InlineData(0, null, "five_hours_conversations")]
    [InlineData(20, null, "five_hours_conversations")]
    [InlineData(-1, null, "five_hours_conversations")]
    [InlineData(null, 20, "week_conversations")]
    [InlineData(5, 5, "week_conversations")]
    public void A_window_that_never_binds_or_always_does_is_named(int? fiveHours, int? week, string field) =>
        Assert.Contains(field, new SaleTerms(fiveHours, week, []).Check(20)!.Value.Detail, StringComparison.Ordinal);

    [Theory]
    [InlineData(TokenKind.Input, "no cap counts")]
    [InlineData(TokenKind.Output, "priced twice")]
    public void A_price_that_would_never_be_asked_for_is_named(TokenKind second, string told) =>
        Assert.Contains(told, new SaleTerms(null, null, [new(TokenKind.Output, UnitPrice.Parse("1")), new(second, UnitPrice.Parse("1"))]).Check(20)!.Value.Detail, StringComparison.Ordinal);

    [Fact]
    public void A_kind_without_a_price_is_named() =>
        Assert.Contains("no price for reasoning", new SaleTerms(null, null, [new(TokenKind.Output, UnitPrice.Parse("1"))]).Check(20)!.Value.Detail, StringComparison.Ordinal);

    private static readonly KindTier[] Tiers = [new(1_000_000, UnitPrice.Parse("12.50")), new(null, UnitPrice.Parse("8"))];
    private static readonly KindPrice ByVolume = new(TokenKind.Output, default) { Model = KindPrice.Volume, Tiers = Tiers };
    private static readonly KindPrice InPackages = new(TokenKind.Reasoning, default) { Model = KindPrice.Package, Packages = new(100_000, 2_000_000) };

    [Fact]
    public void Tokens_are_sold_by_tiers_and_in_packages_too()
    {
        var terms = new SaleTerms(null, null, [ByVolume, InPackages]);
        var text = SaleTerms.Write(terms)!;
        Assert.Null(terms.Check(20));
        Assert.Equal(
            """{"overage":[{"kind":"output","model":"volume","tiers":[{"upTo":1000000,"perMillionTokens":"12.50"},{"perMillionTokens":"8"}]},{"kind":"reasoning","model":"package","packageTokens":100000,"packagePriceMicros":2000000}]}""", text);
        Assert.Equal(text, SaleTerms.Write(SaleTerms.Read(text)));
        Assert.Equal(
            [
                "Beyond a period's tokens: for a million tokens of output, all at the price of how many there are, 12.50 up to 1,000,000, 8 beyond.",
                "Beyond a period's tokens: 2.00 for each package of 100,000 tokens of reasoning that is begun.",
            ], terms.Sentences());
    }

    public static TheoryData<KindPrice, string> Faults => new()
    {
        { ByVolume with { Model = "cheap" }, "terms.overage[0].model" },
        { ByVolume with { Tiers = [] }, "terms.overage[0].tiers" },
        { ByVolume with { Tiers = [.. Tiers, new(null, default)] }, "terms.overage[0].tiers[1].up_to" },
        { ByVolume with { Tiers = [Tiers[0]] }, "terms.overage[0].tiers[0].up_to" },
        { ByVolume with { Tiers = [Tiers[0], .. Tiers] }, "terms.overage[0].tiers[1].up_to" },
        { ByVolume with { Model = KindPrice.PerUnit }, "terms.overage[0].tiers" },
        { ByVolume with { Packages = new(5, 5) }, "terms.overage[0].package_tokens" },
        { InPackages with { Packages = null }, "terms.overage[0].package_tokens" },
        { InPackages with { Packages = new(0, 5) }, "terms.overage[0].package_tokens" },
        { InPackages with { Packages = new(5, -1) }, "terms.overage[0].package_price_micros" },
        { InPackages with { Tiers = Tiers }, "terms.overage[0].tiers" },
    };

    [Theory, MemberData(nameof(Faults))]
    public void A_price_that_no_invoice_could_be_made_from_is_named(KindPrice price, string field) =>
        Assert.Contains(field, new SaleTerms(null, null, [price]).Check(20)!.Value.Detail, StringComparison.Ordinal);

    [Fact]
    public void A_draft_keeps_them_and_other_terms_are_another_draft()
    {
        var drafted = DraftMenuDecision.Decide(Draft() with { Terms = All }, MenuState.Initial);
        Assert.Equal(SaleTerms.Write(All), ((MenuDrafted)drafted.Events[0]).Terms);
        var state = drafted.Events.Aggregate(MenuState.Initial, MenuState.Evolve);
        Assert.Empty(DraftMenuDecision.Decide(Draft() with { Terms = All }, state).Events);
        Assert.Equal("menu_exists", DraftMenuDecision.Decide(Draft(), state).Refused!.Value.Code);
        Assert.Equal("menu_invalid", DraftMenuDecision.Decide(Draft() with { Terms = All with { FiveHoursConversations = 99 } }, MenuState.Initial).Refused!.Value.Code);
    }

    [Fact]
    public void They_are_signed_and_checked_with_the_rest()
    {
        var events = DraftMenuDecision.Decide(Draft() with { Terms = All }, MenuState.Initial).Events;
        var document = MenuDocument.Of(MenuId, (MenuDrafted)events[0], (MenuSolved)events[1], "ada", Jan1);
        using var json = System.Text.Json.JsonDocument.Parse(document.ToBytes());
        var (read, fault) = MenuDocument.Read(json.RootElement);
        Assert.Null(fault);
        Assert.Equal(document.Terms, read!.Terms);
        Assert.Empty(MenuVerification.Recompute(read).Findings);
        Assert.Contains(MenuDocument.Digests(json.RootElement), d => d.Path == "terms.overage[0].perMillionTokens");
        foreach (var wrong in new[] { """{"weekConversations":20}""", """{"hours":5}""", """{"overage":[{"kind":"output","perMillionTokens":"-1"}]}""", """{"overage":[{"kind":"output","perMillionTokens":"1"}]}""" })
            Assert.Contains(MenuVerification.Recompute(read with { Terms = wrong }).Findings, f => f.Field == "terms");
    }
}
