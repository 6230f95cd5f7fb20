using System.Text;
using System.Text.Json;
using Microsoft.Extensions.Hosting.Internal;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Options;
using NSec.Cryptography;
using PlanDesign.AnswerTimes;
using PlanDesign.Comparison;
using PlanDesign.Menus;
using PlanDesign.Screening;
using PlanDesign.Screening.Constraints;
using PlanDesign.Urgency;

namespace PlanDesign.Host.Tests;

/// <summary>A published menu proves itself: what was altered is named, and what is signed but untrue is found by computing it anew.</summary>
public sealed class SignedMenuTests
{
    private static readonly DateTimeOffset At = new(2026, 1, 1, 0, 0, 0, TimeSpan.Zero);
    private static readonly string MenuId = Kernel.Ids.Derive(Kernel.Ids.Menu, At, "signed");
    private static readonly Currency Usd = Currency.Parse("USD");
    private static readonly Market Worked = new(new DiscreteUrgency([-Math.Log(0.9), Math.Log(2), Math.Log(5)], [0.3, 0.5, 0.2]), new DiscreteAnswerTime([0.5, 0.5]), 1, 40, 2);
    private static readonly Market Continuous = new(new LogNormalUrgency(-2, 1), new ExponentialAnswerTime(10), 5, 2, 1e-4) { TypeCount = 60 };

    private static MenuSigner Signer(string environment = "Production", string seed = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f") =>
        new(Options.Create(new PlanDesignOptions { SigningKey = seed }), new HostingEnvironment { EnvironmentName = environment }, NullLogger<MenuSigner>.Instance);

    private static MenuDocument Document(Market market, int? plansMax = 3, MenuConstraints? rules = null)
    {
        var solution = MenuSolver.Solve(market, DraftMenuDecision.OptionsFor(plansMax, Usd, 20, rules));
        var events = DraftMenuDecision.Decide(
            new(MenuId, "Chat “small”", market, plansMax, Usd, 20, ["small"], solution, TariffComparison.Of(market, solution), At) { Constraints = rules }, MenuState.Initial).Events;
        return MenuDocument.Of(MenuId, (MenuDrafted)events[0], (MenuSolved)events[1], "ada", At.AddHours(1));
    }

    private static string File(MenuDocument document) => SignedMenu.Write(document, Signer().Sign(document));

    private static string[] Found(string file) => [.. SignedMenu.Check(Encoding.UTF8.GetBytes(file)).Findings.Select(f => f.Field)];

    public static TheoryData<string, MenuDocument> Menus => new()
    {
        { "worked", Document(Worked) },
        { "any number of plans", Document(Worked, null) },
        { "with a density", Document(Continuous) },
        { "a free tier and a largest cap", Document(Continuous, 3, new() { FreeTierCapTokens = 5, CapTokensMax = 80 }) },
        { "value at the cap", Document(Worked with { ValueAtCap = 0.1 }) },
        { "a price ceiling", Document(Worked with { ValuePerAnswer = 4, ServingCostPerToken = 0.2 }, 3, new() { PriceMax = 2 }) },
        { "observed lengths and intervals", Document(new(
            new EmpiricalUrgency([0, 0.1, 0.5], [0.1, 0.5, double.PositiveInfinity], [0.5, 0.3, 0.2]), new EmpiricalAnswerTime([3, 5, 8, 8, 13, 2], [false, true, false, false, false, false]), 1, 40, 0.5)) },
    };

    [Theory, MemberData(nameof(Menus))]
    public void A_menu_as_it_was_published_holds(string what, MenuDocument document)
    {
        _ = what;
        var check = SignedMenu.Check(Encoding.UTF8.GetBytes(File(document)));
        Assert.Empty(check.Findings);
        Assert.Equal(document.ToBytes(), check.Document!.ToBytes());
        Assert.Empty(MenuVerification.Recompute(check.Document).Findings);
    }

    [Fact]
    public void Any_altered_byte_is_found()
    {
        var file = Encoding.UTF8.GetBytes(File(Document(Worked)));
        for (var n = 0; n < file.Length; n++)
        {
            file[n] ^= 1;
            Assert.True(SignedMenu.Check(file).Findings.Count > 0, $"byte {n} was altered and not found");
            file[n] ^= 1;
        }
        for (var n = 0; n < file.Length; n++)
            Assert.True(SignedMenu.Check(file.AsSpan().ToArray().Where((_, m) => m != n).ToArray()).Findings.Count > 0, $"byte {n} was left out and not found");
        foreach (var added in " \nA=\""u8.ToArray())
            for (var n = 0; n <= file.Length; n++)
            {
                byte[] longer = [.. file.AsSpan(0, n), added, .. file.AsSpan(n)];
                Assert.True(SignedMenu.Check(longer).Findings.Count > 0, $"a byte {added} was put in at {n} and not found");
            }
        Assert.NotEmpty(SignedMenu.Check(new byte[0]).Findings);
    }

    [Theory]
    [InlineData("\"periodFeeMicros\":524000000", "\"periodFeeMicros\":424000000", "plans[0].periodFeeMicros")]
    [InlineData("\"valuePerAnswer\":40", "\"valuePerAnswer\":41", "market.valuePerAnswer")]
    [InlineData("[0.3,0.5,0.2]", "[0.4,0.4,0.2]", "market.urgency.weights")]
    [InlineData("\"publishedBy\":\"ada\"", "\"publishedBy\":\"bob\"", "publishedBy")]
    [InlineData("\"upperBound\":10.96", "\"upperBound\":11.96", "certificate.upperBound")]
    [InlineData("\"digests\":{\"form\":\"", "\"digests\":{\"form\":\"0", "digests.form")]
    [InlineData("\"digestsValue\":\"", "\"digestsValue\":\"A", "signature.digestsValue")]
    [InlineData("\"value\":\"", "\"value\":\"A", "signature.value")]
    [InlineData("\"publicKey\":\"", "\"publicKey\":\"A", "signature")]
    [InlineData("\"publicKey\":\"", "\"publicKey\":\" ", "signature")]
    [InlineData("\"value\":\"", "\"value\":\"\\n", "signature.value")]
    [InlineData("Ed25519", "Ed448", "signature.algorithm")]
    [InlineData("{\"menu\":{", "{\"menu\": {", "byte 8")]
    [InlineData("\"name\":", "\"nome\":", "menu.name")]
    public void What_was_altered_is_named(string from, string to, string field)
    {
        var file = File(Document(Worked));
        Assert.Contains(from, file, StringComparison.Ordinal);
        var at = file.IndexOf(from, StringComparison.Ordinal);
        Assert.Contains(field, Found(string.Concat(file.AsSpan(0, at), to, file.AsSpan(at + from.Length))));
    }

    /// <summary>Half of a surrogate pair is JSON and yet no text, wherever it stands.</summary>
    [Theory]
    [InlineData("\"Ed25519\"", "\"\\ud800\""), InlineData("\"digests\":{\"form\"", "\"digests\":{\"\\ud800\""), InlineData("\"publishedBy\":\"ada\"", "\"publishedBy\":\"\\udc00\""), InlineData("{\"menu\"", "{\"\\ud800\":1,\"menu\"")]
    public void A_text_that_is_no_unicode_is_found_by_its_byte(string from, string to)
    {
        var file = File(Document(Worked));
        Assert.Contains(from, file, StringComparison.Ordinal);
        var altered = file.Replace(from, to, StringComparison.Ordinal);
        var half = to[(to.IndexOf('\\', StringComparison.Ordinal) - 1)..];
        var at = System.Text.Encoding.UTF8.GetByteCount(altered.AsSpan(0, altered.IndexOf(half, StringComparison.Ordinal)));
        Assert.Equal([$"byte {at}"], Found(altered));
    }

    public static TheoryData<string, Func<MenuDocument, MenuDocument>> Untrue => new()
    {
        { "certificate.upperBound", d => d with { Solved = d.Solved with { Certificate = d.Solved.Certificate with { UpperBound = d.Solved.Certificate.UpperBound - 0.01 } } } },
        { "certificate.gap", d => d with { Solved = d.Solved with { Certificate = d.Solved.Certificate with { Gap = 0.5 } } } },
        { "certificate.upperBoundOf", d => d with { Solved = d.Solved with { Certificate = d.Solved.Certificate with { UpperBoundOf = "minor_units" } } } },
        { "certificate.upperBoundInMinorUnits", d => d with { Solved = d.Solved with { Certificate = d.Solved.Certificate with { UpperBoundInMinorUnits = 10.9 } } } },
        { "certificate.upperBoundAtTypes", d => d with { Solved = d.Solved with { Certificate = d.Solved.Certificate with { UpperBoundAtTypes = null } } } },
        { "certificate.upperBoundInMinorUnits", d => d with { Solved = d.Solved with { Certificate = d.Solved.Certificate with { UpperBoundOf = null, UpperBoundAtTypes = null, UpperBoundInMinorUnits = 10.9 } } } },
        { "certificate.upperBoundAtTypes", d => d with { Solved = d.Solved with { Certificate = d.Solved.Certificate with { UpperBoundOf = null, UpperBoundAtTypes = 10.9, UpperBoundInMinorUnits = null } } } },
        { "profit", d => d with { Solved = d.Solved with { Profit = d.Solved.Profit + 0.01 } } },
        { "plans[0].share", d => d with { Solved = d.Solved with { Tiers = [d.Solved.Tiers[0] with { Share = 0.4 }, d.Solved.Tiers[1]] } } },
        { "plans[0].pricePerConversation", d => d with { Solved = d.Solved with { Tiers = [d.Solved.Tiers[0] with { PricePerConversation = 26.1 }, d.Solved.Tiers[1]] } } },
        { "plans[0].share", d => d with { Solved = d.Solved with { Tiers = [d.Solved.Tiers[0] with { PeriodFee = new(530_000_000), PricePerConversation = 26.5 }, d.Solved.Tiers[1]] } } },
        { "plans[1].planId", d => d with { Solved = d.Solved with { Tiers = [d.Solved.Tiers[0], d.Solved.Tiers[1] with { PlanId = d.Solved.Tiers[0].PlanId }] } } },
        { "plans[0].name", d => d with { Solved = d.Solved with { Tiers = [d.Solved.Tiers[0] with { Name = "1,000,000 tokens" }, d.Solved.Tiers[1]] } } },
        { "market.tokensPerSecond", d => d with { Market = d.Market.Replace("\"tokensPerSecond\":1", "\"tokensPerSecond\":-1", StringComparison.Ordinal) } },
    };

    [Theory, MemberData(nameof(Untrue))]
    public void What_is_signed_but_untrue_is_found_by_computing_it_anew(string field, Func<MenuDocument, MenuDocument> spoil)
    {
        var document = spoil(Document(Worked));
        Assert.Empty(Found(File(document)));
        Assert.Contains(field, MenuVerification.Recompute(document).Findings.Select(f => f.Field));
    }

    /// <summary>A menu signed by whoever holds the key, in bytes of his own.</summary>
    [Theory]
    [InlineData("\"menuId\":", "\"moneyBack\":true,\"menuId\":", "menu.moneyBack")]
    [InlineData("\"capTokens\":2,", "\"capTokens\":2,\"capTokensUnlimited\":true,", "menu.plans[0].capTokensUnlimited")]
    [InlineData("\"gap\":", "\"guaranteed\":true,\"gap\":", "menu.certificate.guaranteed")]
    [InlineData("\"plansMax\":3,", "\"plansMax\":3.0,", "menu")]
    [InlineData("\"models\":[\"small\"],", "\"models\": [\"small\"],", "menu")]
    [InlineData("\"models\":[\"small\"],", "\"models\":[\"small\"],\"terms\":null,", "menu")]
    [InlineData("\"name\":\"2 tokens\"", "\"name\":\"2 tok\\u0065ns\"", "menu")]
    public void What_is_signed_is_what_is_read_and_in_one_form(string from, string to, string field)
    {
        var document = Document(Worked);
        var bytes = Encoding.UTF8.GetString(document.ToBytes());
        Assert.Contains(from, bytes, StringComparison.Ordinal);
        var menu = bytes.Replace(from, to, StringComparison.Ordinal);
        var digests = JsonSerializer.Serialize(MenuDocument.Digests(JsonDocument.Parse(menu).RootElement).ToDictionary(d => d.Path, d => d.Sha256));
        using var key = Key.Create(SignatureAlgorithm.Ed25519);
        string Sign(string tag, string text) => Convert.ToBase64String(SignatureAlgorithm.Ed25519.Sign(key, Encoding.UTF8.GetBytes(tag + text)));
        var (publicKey, value, digestsValue) = (Convert.ToBase64String(key.PublicKey.Export(KeyBlobFormat.RawPublicKey)), Sign("plan-design menu 1\n", menu), Sign("plan-design digests 1\n", digests));
        Assert.Equal([field], Found($$$"""{"menu":{{{menu}}},"digests":{{{digests}}},"signature":{"algorithm":"Ed25519","publicKey":"{{{publicKey}}}","value":"{{{value}}}","digestsValue":"{{{digestsValue}}}"}}""" + "\n"));
    }

    /// <summary>What a menu says it keeps, put into the document of one that does not.</summary>
    public static TheoryData<string, string, Func<MenuDocument, MenuDocument>> Broken => new()
    {
        { "plans[1].capTokens", "capTokensMin says at least 2", d => d with { Constraints = """{"capTokensMin":2}""" } },
        { "plans[0].capTokens", "capTokensMax says at most 1", d => d with { Constraints = """{"capTokensMax":1}""" } },
        { "plans[1].capTokens", "none of constraints.allowedCapTokens", d => d with { Constraints = """{"allowedCapTokens":[2]}""" } },
        { "plans[0].pricePerConversation", "priceMax says at most 20", d => d with { Constraints = """{"priceMax":20}""" } },
        { "plans[1].pricePerConversation", "priceMin says at least 11", d => d with { Constraints = """{"priceMin":11}""" } },
        { "plans", "priceRatioMax says at most 2 times", d => d with { Constraints = """{"priceRatioMax":2}""" } },
        { "plans", "nobodyExcluded says for all", d => d with { Constraints = """{"nobodyExcluded":true}""" } },
        { "plans[1].periodFeeMicros", "is not nothing", d => d with { Constraints = """{"freeTierCapTokens":1}""" } },
        { "plans", "has 2 plans for sale, plansMax says at most 1", d => d with { PlansMax = 1 } },
        { "exitReason", "says within_bound, solved anew it is optimal", d => d with { Solved = d.Solved with { ExitReason = "within_bound" } } },
        { "certificate.gap", "no menu earns more than its bound", d => d with { Solved = d.Solved with { Certificate = d.Solved.Certificate with { Gap = -0.1 } } } },
    };

    [Theory, MemberData(nameof(Broken))]
    public void A_menu_that_breaks_what_it_says_it_keeps_is_found_by_the_rule(string field, string words, Func<MenuDocument, MenuDocument> spoil) =>
        Assert.Contains(MenuVerification.Recompute(spoil(Document(Worked))).Findings, f => f.Field == field && f.Detail.Contains(words, StringComparison.Ordinal));

    [Fact]
    public void A_menu_that_is_not_the_best_of_its_kind_is_not_optimal_whatever_it_says()
    {
        // The best single plan, sold as the best of at most three: every figure of it is true but that one.
        var one = Document(Worked, 1);
        var findings = MenuVerification.Recompute(one with { PlansMax = 3, Solved = one.Solved with { Certificate = one.Solved.Certificate with { UpperBound = 10.96, Gap = 10.96 - one.Solved.Profit, UpperBoundInMinorUnits = 10.96, UpperBoundAtTypes = 10.96 } } }).Findings;
        var finding = Assert.Single(findings);
        Assert.Equal("exitReason", finding.Field);
        Assert.Contains("a menu of the same kind earns 10.9", finding.Detail, StringComparison.Ordinal);
    }

    [Fact]
    public void What_is_signed_says_which_bound_it_is_and_what_the_minor_unit_allows()
    {
        var document = Document(Continuous);
        var certificate = document.Solved.Certificate;
        // In a density the bound is of the market at exact prices, so that even the best menu in cents from these types has a gap.
        Assert.Equal(("optimal", "exact_prices"), (document.Solved.ExitReason, certificate.UpperBoundOf));
        Assert.True(certificate.Gap > 1e-4 && certificate.UpperBoundInMinorUnits <= certificate.UpperBound && certificate.UpperBoundAtTypes < certificate.UpperBoundInMinorUnits);
        Assert.Contains("\"upperBoundOf\":\"exact_prices\",\"upperBoundInMinorUnits\":", Encoding.UTF8.GetString(document.ToBytes()), StringComparison.Ordinal);
    }

    public static TheoryData<string, MenuDocument> OldMenus => new()
    {
        { "worked", Document(Worked) }, { "with a density", Document(Continuous) },
        // Its search ended and is more than other code can try again, which once was called optimal.
        { "any cap under a ceiling", Document(ManyUnits, 3, Ceiling) },
    };

    private static readonly Market ManyUnits = new(new LogNormalUrgency(-2, 1), new ExponentialAnswerTime(10), 20, 2, 5e-4) { TypeCount = 60, CapTokensMax = 400 };
    private static readonly MenuConstraints Ceiling = new() { PriceMax = 0.5 };

    [Theory, MemberData(nameof(OldMenus))]
    public void A_menu_from_before_that_was_said_has_the_bytes_it_was_signed_with_and_holds(string what, MenuDocument document)
    {
        var said = document.Solved.Certificate;
        var old = document with
        {
            Solved = document.Solved with
            {
                ExitReason = "optimal", Certificate = new(said.UpperBound, said.Gap, said.MaxIncentiveViolation, said.MaxParticipationViolation),
            },
        };
        Assert.DoesNotContain("upperBoundOf", Encoding.UTF8.GetString(old.ToBytes()), StringComparison.Ordinal);
        Assert.Equal(what != "any cap under a ceiling", document.Solved.ExitReason == "optimal");
        Assert.Empty(SignedMenu.Check(Encoding.UTF8.GetBytes(File(old))).Findings);
        var anew = MenuVerification.Recompute(old);
        Assert.Empty(anew.Findings);
        // It holds, and is said to be of an old form; what it calls optimal and is not proved is said too.
        Assert.Contains(anew.OldForm, s => s.StartsWith("does not say what its bound is of", StringComparison.Ordinal));
        Assert.Equal(what == "any cap under a ceiling", anew.OldForm.Any(s => s.StartsWith("says optimal", StringComparison.Ordinal)));
        Assert.Equal(document.Solved.ExitReason, anew.Figures!.ExitReason);
        Assert.Equal(said.UpperBoundInMinorUnits, anew.Figures.UpperBoundInMinorUnits);
    }

    [Fact]
    public void A_menu_from_before_intervals_were_bounded_at_their_patient_ends_holds_and_the_bound_is_said()
    {
        var document = Document(new(new EmpiricalUrgency([0.01, 0.2, 0.8], [0.2, 0.8, double.PositiveInfinity], [0.5, 0.3, 0.2]), new ExponentialAnswerTime(5), 5, 10, 0.01) { CapTokensMax = 60 }, null);
        var said = document.Solved.Certificate;
        Assert.True(said.UpperBoundInMinorUnits > 1.5 * said.UpperBoundAtTypes);
        var anew = MenuVerification.Recompute(document with { Solved = document.Solved with { Certificate = said with { UpperBoundInMinorUnits = said.UpperBoundAtTypes } } });
        Assert.Empty(anew.Findings);
        Assert.Contains("urgent ends of its intervals", Assert.Single(anew.OldForm), StringComparison.Ordinal);
        Assert.Equal(said.UpperBoundInMinorUnits, anew.Figures!.UpperBoundInMinorUnits);
    }

    [Fact]
    public void What_is_printed_was_recomputed_and_not_read()
    {
        var document = Document(Worked);
        var anew = MenuVerification.Recompute(document with { Solved = document.Solved with { Certificate = new(12, 0, 1e-3, 1e-3), Profit = 12 } });
        Assert.Equal((10.96, 10.96, 10.96), (Math.Round(anew.Figures!.Profit, 9), Math.Round(anew.Figures.UpperBound, 9), Math.Round(anew.Figures.UpperBoundInMinorUnits!.Value, 9)));
        Assert.InRange(anew.Figures.MaxIncentiveViolation, 0, 1e-9);
    }

    [Fact]
    public void A_menu_rounded_on_some_caps_claims_what_it_earns_and_not_that_none_earns_more()
    {
        var document = Document(new Market(new DiscreteUrgency([.. Enumerable.Range(1, 200).Select(i => 0.01 * i)], [.. Enumerable.Repeat(0.005, 200)]), new ExponentialAnswerTime(5), 100, 1, 0) { CapTokensMax = 10_000 }, null);
        Assert.Equal("rounded_on_menu_caps", document.Solved.ExitReason);
        var anew = MenuVerification.Recompute(document);
        Assert.Empty(anew.Findings);
        Assert.Null(anew.Figures!.UpperBoundInMinorUnits);
    }

    [Fact]
    public void The_bytes_of_a_menu_never_change() => Assert.StartsWith(
        "{\"form\":1,\"menuId\":\"" + MenuId + "\",\"name\":\"Chat \\u201Csmall\\u201D\",\"currency\":\"USD\",\"conversationsPerPeriod\":20,\"models\":[\"small\"],\"plansMax\":3,"
        + "\"market\":{\"urgency\":{\"kind\":\"discrete\",\"ratesPerSecond\":[0.10536051565782628,0.6931471805599453,1.6094379124341003],\"weights\":[0.3,0.5,0.2]},",
        Encoding.UTF8.GetString(Document(Worked).ToBytes()), StringComparison.Ordinal);

    [Fact]
    public void Without_a_key_production_signs_nothing_and_others_make_one()
    {
        Assert.False(Signer("Production", "").CanSign);
        Assert.True(Signer("Demo", "").CanSign);
        var document = Document(Worked);
        Assert.Equal(Signer().Sign(document), Signer().Sign(document));
        Assert.NotEqual(Signer().Sign(document).PublicKey, Signer("Demo", "").Sign(document).PublicKey);
    }
}
