using Billing.Accounts;
using Billing.Rating;
using Billing.Sellers;
using Billing.Subscriptions;
using static Billing.Tests.Some;
using static Billing.Tests.Terms;

namespace Billing.Tests.Accounts;

public sealed class AgreementTests
{
    private static Scenario<AccountState, AccountEvent> AnAccount(params AccountEvent[] events) => new Scenario<AccountState, AccountEvent>(AccountState.Initial, AccountState.Evolve).Given(events);
    private static Scenario<SellerState, SellerEvent> ASeller(params SellerEvent[] events) => new Scenario<SellerState, SellerEvent>(SellerState.Initial, SellerState.Evolve).Given(events);

    private static AgreeCommitment Commit(long micros = 20_000_000, string id = "com_1", DateTimeOffset? from = null, DateTimeOffset? until = null) => new(id, Subscription, new(micros), Usd, from ?? Jan1, until, Jan1, Jan1, SubscriptionStatus.Active);
    private static GrantDiscount Discount(Percent? off, long? micros = null, string name = "Launch") =>
        new("dis_1", "", name, DiscountScope.All, off, micros is { } m ? new Micros(m) : null, Usd, Jan1, null, Jan1, Jan1, null);

    [Fact] public void B5_a_commitment_is_agreed_once() => AnAccount().When(s => AgreeCommitmentDecision.Decide(Commit(), s)).Then(Minimum(20_000_000));
    [Fact] public void B5_a_commitment_that_was_ended_is_still_the_same_one() => AnAccount(Minimum(20_000_000), new AgreementEnded("com_1", Feb1, Jan1)).When(s => AgreeCommitmentDecision.Decide(Commit(), s)).ThenNothing();
    [Fact] public void B5_what_is_agreed_from_now_on_is_the_same_when_it_is_said_again_later()
    {
        AnAccount(Minimum(20_000_000)).When(s => AgreeCommitmentDecision.Decide(Commit() with { From = null, At = Feb1, LocalAt = Feb1 }, s)).ThenNothing();
        AnAccount(PercentOff("10")).When(s => GrantDiscountDecision.Decide(Discount(Percent.Parse("10")) with { From = null, At = Feb1, LocalAt = Feb1 }, s)).ThenNothing();
        AnAccount(Minimum(20_000_000)).When(s => AgreeCommitmentDecision.Decide(Commit() with { From = Feb1 }, s)).ThenRefused("commitment_exists");
        AnAccount(PercentOff("10"), new AgreementEnded("dis_1", Jan1.AddDays(5), Jan1.AddDays(5))).When(s => EndAgreementDecision.Decide(new("dis_1", null, Feb1, Feb1), s)).ThenNothing();
        AnAccount(PercentOff("10"), new AgreementEnded("dis_1", Mar1, Jan1)).When(s => EndAgreementDecision.Decide(new("dis_1", null, Feb1, Feb1), s)).Then(new AgreementEnded("dis_1", Feb1, Feb1));
        ASeller(Vat).When(s => SetTaxRateDecision.Decide(new("DE", "", "VAT", Percent.Parse("19"), null, Feb1), s)).ThenNothing();
        ASeller(Vat).When(s => SetTaxRateDecision.Decide(new("DE", "", "VAT", Percent.Parse("20"), null, Feb1), s)).Then(Vat with { Rate = Percent.Parse("20"), From = Feb1, At = Feb1, FromNow = true });
    }

    [Fact] public void What_holds_from_now_on_holds_by_the_clocks_of_the_customer()
    {
        var local = Jan1.AddHours(-8);
        AnAccount().When(s => AgreeCommitmentDecision.Decide(Commit() with { From = null, LocalAt = local }, s)).Then(Minimum(20_000_000) with { From = local });
        AnAccount().When(s => GrantDiscountDecision.Decide(Discount(Percent.Parse("10")) with { From = null, LocalAt = local }, s)).Then(PercentOff("10") with { From = local });
        AnAccount(PercentOff("10") with { From = local.AddDays(-9) }).When(s => EndAgreementDecision.Decide(new("dis_1", null, Jan1, local), s)).Then(new AgreementEnded("dis_1", local, Jan1));
        AnAccount().When(s => SetTaxTreatmentDecision.Decide(Tax() with { From = null, LocalAt = local }, s)).Then(Taxed() with { From = local, FromNow = true });
    }

    [Fact] public void A_commitments_id_is_for_one_commitment() => AnAccount(Minimum(20_000_000)).When(s => AgreeCommitmentDecision.Decide(Commit(30_000_000), s)).ThenRefused("commitment_exists");
    [Fact] public void What_is_agreed_is_about_a_subscription_of_the_customer()
    {
        AnAccount().When(s => AgreeCommitmentDecision.Decide(Commit() with { Subscription = null }, s)).ThenRefused("subscription_unknown");
        AnAccount().When(s => GrantDiscountDecision.Decide(Discount(Percent.Parse("10")) with { SubscriptionId = Subscription }, s)).ThenRefused("subscription_unknown");
        AnAccount().When(s => GrantDiscountDecision.Decide(Discount(Percent.Parse("10")) with { SubscriptionId = Subscription, Subscription = SubscriptionStatus.Cancelled }, s)).Then(PercentOff("10") with { SubscriptionId = Subscription });
        AnAccount(Minimum(20_000_000)).When(s => AgreeCommitmentDecision.Decide(Commit() with { Subscription = null }, s)).ThenNothing();
    }

    /// <summary>It was cancelled on 10 January: January begins before that, and no other period does.</summary>
    [Theory]
    [InlineData(null, "subscription_cancelled")]
    [InlineData(9, "subscription_cancelled")]
    [InlineData(31, "subscription_cancelled")]
    [InlineData(0, null)]
    [InlineData(8, null)]
    public void No_discount_is_granted_for_what_starts_after_the_subscription_is_over(int? fromDay, string? refused)
    {
        var from = fromDay is { } day ? Jan1.AddDays(day) : (DateTimeOffset?)null;
        var command = Discount(Percent.Parse("10")) with { SubscriptionId = Subscription, Subscription = SubscriptionStatus.Cancelled, CancelledAt = Jan10, From = from, At = Jan1.AddDays(19), LocalAt = Jan1.AddDays(19) };
        Assert.Equal(refused, GrantDiscountDecision.Decide(command, AccountState.Initial).Refused?.Code);
        // What was granted before is the same when it is said again.
        AnAccount(PercentOff("10") with { SubscriptionId = Subscription, From = from ?? Jan1 }).When(s => GrantDiscountDecision.Decide(command, s)).ThenNothing();
    }

    [Fact] public void Nothing_is_committed_to_for_a_subscription_that_is_over()
    {
        AnAccount().When(s => AgreeCommitmentDecision.Decide(Commit() with { Subscription = SubscriptionStatus.Cancelled }, s)).ThenRefused("subscription_cancelled");
        AnAccount(Minimum(20_000_000)).When(s => AgreeCommitmentDecision.Decide(Commit() with { Subscription = SubscriptionStatus.Cancelled }, s)).ThenNothing();
    }
    [Fact] public void Two_commitments_do_not_overlap() => AnAccount(Minimum(20_000_000)).When(s => AgreeCommitmentDecision.Decide(Commit(id: "com_2", from: Mar1), s)).ThenRefused("commitment_overlaps");
    [Fact] public void A_commitment_that_was_ended_before_it_began_is_in_nobodys_way() => AnAccount(Minimum(20_000_000) with { From = Mar1 }, new AgreementEnded("com_1", Feb1, Jan1))
        .When(s => AgreeCommitmentDecision.Decide(Commit(id: "com_2"), s)).Then(Minimum(20_000_000, "com_2"));
    [Fact] public void One_commitment_follows_another() => AnAccount(Minimum(20_000_000), new AgreementEnded("com_1", Feb1, Jan1))
        .When(s => AgreeCommitmentDecision.Decide(Commit(id: "com_2", from: Feb1), s)).Then(Minimum(20_000_000, "com_2") with { From = Feb1 });
    [Theory, InlineData(0), InlineData(-10_000), InlineData(5_000)]
    public void A_commitment_is_an_amount_in_minor_units(long micros) => AnAccount().When(s => AgreeCommitmentDecision.Decide(Commit(micros), s)).ThenRefused("amount_invalid");
    [Fact] public void An_agreement_does_not_end_before_it_begins() => AnAccount().When(s => AgreeCommitmentDecision.Decide(Commit(until: Jan1), s)).ThenRefused("time_span_invalid");

    [Fact] public void B5_a_discount_is_granted_once() => AnAccount().When(s => GrantDiscountDecision.Decide(Discount(Percent.Parse("10")), s)).Then(PercentOff("10"));
    [Fact] public void A_discount_is_a_percentage_or_an_amount() => AnAccount().When(s => GrantDiscountDecision.Decide(Discount(Percent.Parse("10"), 1_000_000), s)).ThenRefused("discount_invalid");
    [Fact] public void A_discount_is_something() => AnAccount().When(s => GrantDiscountDecision.Decide(Discount(null), s)).ThenRefused("discount_invalid");
    [Fact] public void A_discount_has_a_name_to_print() => AnAccount().When(s => GrantDiscountDecision.Decide(Discount(Percent.Parse("10"), name: ""), s)).ThenRefused("name_invalid");

    [Fact] public void B5_an_agreement_ends_once() => AnAccount(PercentOff("10")).When(s => EndAgreementDecision.Decide(new("dis_1", Feb1, Jan1, Jan1), s)).Then(new AgreementEnded("dis_1", Feb1, Jan1));
    [Fact] public void The_end_of_a_commitment_does_not_move_into_the_next_one()
    {
        AccountEvent[] two = [Minimum(20_000_000), new AgreementEnded("com_1", Feb1, Jan1), Minimum(30_000_000, "com_2") with { From = Mar1 }];
        AnAccount(two).When(s => EndAgreementDecision.Decide(new("com_1", Mar1.AddDays(1), Jan1, Jan1), s)).ThenRefused("commitment_overlaps");
        AnAccount(two).When(s => EndAgreementDecision.Decide(new("com_1", Mar1, Jan1, Jan1), s)).Then(new AgreementEnded("com_1", Mar1, Jan1));
        AnAccount(two).When(s => EndAgreementDecision.Decide(new("com_1", Jan1.AddDays(9), Jan1, Jan1), s)).Then(new AgreementEnded("com_1", Jan1.AddDays(9), Jan1));
        AnAccount(two).When(s => EndAgreementDecision.Decide(new("com_2", Mar1.AddDays(9), Jan1, Jan1), s)).Then(new AgreementEnded("com_2", Mar1.AddDays(9), Jan1));
        AnAccount(PercentOff("10"), new AgreementEnded("dis_1", Feb1, Jan1), Minimum(30_000_000)).When(s => EndAgreementDecision.Decide(new("dis_1", Mar1, Jan1, Jan1), s)).Then(new AgreementEnded("dis_1", Mar1, Jan1));
    }
    private static readonly DateTimeOffset Jan10 = Jan1.AddDays(9);

    [Fact] public void B5_credit_is_taken_back_once()
    {
        foreach (var grant in new AccountEvent[] { Money(5_000_000), Money(5_000_000, expires: Mar1), Prepaid(5, "crd_1") })
        {
            AnAccount(grant).When(s => EndAgreementDecision.Decide(new("crd_1", null, Jan10, Jan10.AddHours(-8)), s)).Then(new AgreementEnded("crd_1", Jan10, Jan10));
            AnAccount(grant, new AgreementEnded("crd_1", Jan10, Jan10)).When(s => EndAgreementDecision.Decide(new("crd_1", null, Feb1, Feb1), s)).ThenNothing();
        }
        // A period that had begun before its expiry could still use it.
        AnAccount(Money(5_000_000, expires: Jan10)).When(s => EndAgreementDecision.Decide(new("crd_1", null, Feb1, Feb1), s)).Then(new AgreementEnded("crd_1", Feb1, Feb1));
    }

    [Fact] public void Credit_that_is_taken_back_is_still_the_same_grant() => AnAccount(Money(5_000_000), new AgreementEnded("crd_1", Jan10, Jan10))
        .When(s => GrantCreditDecision.Decide(new GrantMoneyCredit("crd_1", "Prepaid", new(5_000_000), Usd, 0, null, Mar1), s)).ThenNothing();

    [Fact] public void Credit_expires_before_its_time_and_not_after_it()
    {
        AnAccount(Money(5_000_000, expires: Mar1)).When(s => EndAgreementDecision.Decide(new("crd_1", Feb1, Jan10, Jan10), s)).Then(new AgreementEnded("crd_1", Feb1, Jan10));
        AnAccount(Money(5_000_000, expires: Mar1)).When(s => EndAgreementDecision.Decide(new("crd_1", Mar1, Jan10, Jan10), s)).ThenNothing();
        AnAccount(Money(5_000_000, expires: Mar1)).When(s => EndAgreementDecision.Decide(new("crd_1", Mar1.AddDays(1), Jan10, Jan10), s)).ThenRefused("time_span_invalid");
        AnAccount(Money(5_000_000)).When(s => EndAgreementDecision.Decide(new("crd_1", Jan10.AddDays(-1), Jan10, Jan10), s)).ThenRefused("time_span_invalid");
        AnAccount(Money(5_000_000), new AgreementEnded("crd_1", Jan10, Jan10)).When(s => EndAgreementDecision.Decide(new("crd_1", Mar1, Feb1, Feb1), s)).ThenRefused("time_span_invalid");
    }

    /// <summary>January sells for 5.00 and 600,000 tokens beyond the cap; of credit that ends on a day, said on another one.</summary>
    [Theory]
    [InlineData(null, 0, 12_500_000, 600_000)]
    [InlineData(10, 10, 0, 0)] // taken back: not even the period that runs uses it
    [InlineData(40, 40, 0, 0)] // nor one that is over, and not final yet
    [InlineData(20, 10, 12_500_000, 600_000)] // as by an expiry in its time
    [InlineData(0, -5, 0, 0)] // or before it
    public void Credit_that_was_ended_pays_nothing_that_is_not_final(int? until, int saidAt, long money, long tokens)
    {
        AccountState After(AccountEvent grant, string id) => AccountAfter([grant, .. until is { } day ? new AccountEvent[] { new AgreementEnded(id, Jan1.AddDays(day), Jan1.AddDays(saidAt)) } : []]);
        var facts = FactsAfter(Opened(Metered), Usage(1, Tokens(Metered, TokenKind.Output, 601_000)));
        Assert.Equal(money, InvoiceRating.Rate(facts, Agreed() with { Account = After(Money(50_000_000) with { At = Jan1.AddDays(-9) }, "crd_1") }).Draws.Sum(d => d.AmountMicros.Value));
        Assert.Equal(tokens, InvoiceRating.Rate(facts, Agreed() with { Account = After(Prepaid(9_000_000) with { At = Jan1.AddDays(-9) }, "crd_2") }).Draws.Sum(d => d.Tokens));
    }

    [Fact] public void What_was_not_agreed_does_not_end() => AnAccount().When(s => EndAgreementDecision.Decide(new("dis_1", Feb1, Jan1, Jan1), s)).ThenRefused("agreement_unknown");

    [Fact] public void B5_credit_is_granted_once() => AnAccount().When(s => GrantCreditDecision.Decide(new GrantMoneyCredit("crd_1", "Prepaid", new(5_000_000), Usd, 0, null, Jan1), s)).Then(Money(5_000_000));
    [Fact] public void B5_credit_that_was_used_is_still_the_same_grant() => AnAccount(Money(5_000_000), new CreditDrawn("inv_1", [new("crd_1", 0, new(5_000_000))], Feb1))
        .When(s => GrantCreditDecision.Decide(new GrantMoneyCredit("crd_1", "Prepaid", new(5_000_000), Usd, 0, null, Mar1), s)).ThenNothing();
    [Fact] public void A_grants_id_is_for_one_grant() => AnAccount(Money(5_000_000)).When(s => GrantCreditDecision.Decide(new GrantMoneyCredit("crd_1", "Prepaid", new(6_000_000), Usd, 0, null, Jan1), s)).ThenRefused("grant_exists");
    [Fact] public void Credit_that_could_never_be_used_is_not_granted() =>
        AnAccount().When(s => GrantCreditDecision.Decide(new GrantMoneyCredit("crd_1", "Prepaid", new(6_000_000), Usd, 0, Jan1, Jan1), s)).ThenRefused("time_span_invalid");
    [Fact] public void B5_tokens_are_granted_once() => AnAccount().When(s => GrantCreditDecision.Decide(new GrantTokenCredit("crd_2", "Token pack", 5, [TokenKind.Output, TokenKind.Reasoning], 0, null, Jan1), s)).Then(Prepaid(5));
    [Fact] public void Overrun_is_not_sold() => AnAccount().When(s => GrantCreditDecision.Decide(new GrantTokenCredit("crd_2", "Pack", 5, [TokenKind.Overrun], 0, null, Jan1), s)).ThenRefused("kinds_invalid");

    [Fact] public void B5_an_invoice_draws_its_credit_once() => AnAccount(Money(5_000_000)).When(s => DrawCreditDecision.Decide(new DrawCredit("inv_1", [new("crd_1", 0, new(5_000_000))], Feb1), s))
        .Then(new CreditDrawn("inv_1", [new("crd_1", 0, new(5_000_000))], Feb1));
    [Fact] public void Credit_is_not_drawn_twice() => AnAccount(Money(5_000_000), new CreditDrawn("inv_1", [new("crd_1", 0, new(5_000_000))], Feb1))
        .When(s => DrawCreditDecision.Decide(new DrawCredit("inv_2", [new("crd_1", 0, new(10_000))], Feb1), s)).ThenRefused("credit_too_low");
    [Fact] public void B5_credit_is_returned_once() => AnAccount(Money(5_000_000), new CreditDrawn("inv_1", [new("crd_1", 0, new(5_000_000))], Feb1))
        .When(s => DrawCreditDecision.Decide(new ReturnCredit("inv_1", Mar1), s)).Then(new CreditReturned("inv_1", Mar1));

    private static SetTaxTreatment Tax(string jurisdiction = "DE", TaxTreatment treatment = TaxTreatment.Standard, string note = "", DateTimeOffset? from = null, SellerState? seller = null) =>
        new(jurisdiction, treatment, note, note.Length > 0 ? "ab" : "", seller ?? SellerAfter(Vat), from, Jan1, Jan1, from ?? Jan1);

    [Fact] public void B5_tax_is_set_once() => AnAccount().When(s => SetTaxTreatmentDecision.Decide(Tax(), s)).Then(Taxed() with { From = Jan1, FromNow = true });
    [Fact] public void B5_a_treatment_that_holds_is_not_set_again_later() => AnAccount(Taxed() with { From = Jan1 }).When(s => SetTaxTreatmentDecision.Decide(Tax() with { At = Mar1, LocalAt = Mar1 }, s)).ThenNothing();
    [Fact] public void B5_a_treatment_of_before_dates_holds() => AnAccount(Taxed()).When(s => SetTaxTreatmentDecision.Decide(Tax(), s)).ThenNothing();
    [Fact] public void Why_no_tax_is_charged_stands_in_the_event_as_a_hash() => AnAccount(Taxed() with { From = Jan1 }).When(s => SetTaxTreatmentDecision.Decide(Tax("FR", TaxTreatment.ReverseCharge, "FR123", Feb1), s))
        .Then(new TaxTreatmentSet("FR", TaxTreatment.ReverseCharge, "", Jan1, Feb1, "ab"));

    /// <summary>At nine without a time zone, and five minutes later by the clocks of Los Angeles, where it is five past one.</summary>
    [Fact]
    public void The_later_word_on_tax_counts_though_the_clocks_were_set_back_meanwhile()
    {
        var nine = Jan1.AddHours(9);
        var first = After(SetTaxTreatmentDecision.Decide(Tax() with { At = nine, LocalAt = nine }, AccountState.Initial).Events);
        SetTaxTreatment Said(TaxTreatment treatment, string note, int minutes, DateTimeOffset? from = null) => Tax(treatment: treatment, note: note, from: from) with { At = nine.AddMinutes(minutes), LocalAt = nine.AddHours(-8).AddMinutes(minutes) };
        var second = After([.. first.Events, .. SetTaxTreatmentDecision.Decide(Said(TaxTreatment.ReverseCharge, "FR123", 5), first.State).Events]);
        Assert.Equal((TaxTreatment.ReverseCharge, nine), (second.State.TaxOn(Feb1)!.Treatment, second.State.TaxOn(Feb1)!.From));
        Assert.Empty(SetTaxTreatmentDecision.Decide(Said(TaxTreatment.ReverseCharge, "FR123", 6), second.State).Events);
        var third = After([.. second.Events, .. SetTaxTreatmentDecision.Decide(Said(TaxTreatment.Exempt, "no. 7", 10), second.State).Events]);
        Assert.Equal(TaxTreatment.Exempt, third.State.TaxOn(Feb1)!.Treatment);
    }

    [Fact]
    public void What_was_agreed_for_a_day_to_come_is_not_undone_by_a_word_on_now()
    {
        var agreed = After(SetTaxTreatmentDecision.Decide(Tax(treatment: TaxTreatment.ReverseCharge, note: "FR123", from: Jan1.AddDays(1)), AccountState.Initial).Events);
        var now = After([.. agreed.Events, .. SetTaxTreatmentDecision.Decide(Tax() with { At = Jan1.AddHours(20), LocalAt = Jan1.AddHours(20) }, agreed.State).Events]);
        Assert.Equal((TaxTreatment.Standard, TaxTreatment.ReverseCharge), (now.State.TaxOn(Jan1.AddHours(21))!.Treatment, now.State.TaxOn(Feb1)!.Treatment));
    }

    private static (IReadOnlyList<AccountEvent> Events, AccountState State) After(IReadOnlyList<AccountEvent> events) => (events, events.Aggregate(AccountState.Initial, AccountState.Evolve));

    [Fact] public void Nobody_is_taxed_without_a_rate() => AnAccount().When(s => SetTaxTreatmentDecision.Decide(Tax("FR"), s)).ThenRefused("tax_rate_unknown");
    [Fact] public void Nobody_is_taxed_by_a_rate_to_come() => AnAccount().When(s => SetTaxTreatmentDecision.Decide(Tax(seller: SellerAfter(Vat with { From = Feb1 })), s)).ThenRefused("tax_rate_unknown");
    [Fact] public void Who_will_be_taxed_needs_the_rate_then() =>
        AnAccount().When(s => SetTaxTreatmentDecision.Decide(Tax(from: Feb1, seller: SellerAfter(Vat with { From = Feb1 })), s)).Then(Taxed() with { From = Feb1 });
    [Fact] public void Who_is_taxed_from_now_on_needs_a_rate_of_now_whatever_its_clocks_show() => AnAccount()
        .When(s => SetTaxTreatmentDecision.Decide(Tax(seller: SellerAfter(FromNow(Jan1))) with { LocalAt = Jan1.AddHours(-8) }, s)).Then(Taxed() with { From = Jan1.AddHours(-8), FromNow = true });
    /// <summary>Noon in Tokyo, and nine hours before it by UTC.</summary>
    [Theory, InlineData(3, false), InlineData(4, true)]
    public void Who_is_taxed_from_a_time_of_its_clocks_needs_the_rate_of_that_moment(int setAt, bool refused)
    {
        var decision = SetTaxTreatmentDecision.Decide(Tax(from: Jan1.AddHours(12), seller: SellerAfter(FromNow(Jan1.AddHours(setAt)))) with { Moment = Jan1.AddHours(3) }, AccountState.Initial);
        Assert.Equal(refused ? "tax_rate_unknown" : null, decision.Refused?.Code);
    }
    [Fact] public void Who_pays_no_tax_says_why() => AnAccount().When(s => SetTaxTreatmentDecision.Decide(Tax("FR", TaxTreatment.ReverseCharge), s)).ThenRefused("note_missing");
    [Fact] public void A_jurisdiction_is_a_code() => AnAccount().When(s => SetTaxTreatmentDecision.Decide(Tax("Germany", TaxTreatment.Exempt, "x"), s)).ThenRefused("jurisdiction_invalid");

    [Fact] public void B5_a_rate_is_set_once() => ASeller().When(s => SetTaxRateDecision.Decide(new("DE", "", "VAT", Percent.Parse("19"), Vat.From, Jan1), s)).Then(Vat);
    [Fact] public void A_rate_can_be_corrected_and_the_later_word_counts() => Assert.Equal("20", SellerAfter(Vat, Vat with { Rate = Percent.Parse("20") }).Rate("DE", "usage", Jan1, Jan1)!.Rate.ToString());
    private static TaxRateSet FromNow(DateTimeOffset at, string percent = "19") => Vat with { Rate = Percent.Parse(percent), From = at, At = at, FromNow = true };
    private static SetTaxRate RateNow(DateTimeOffset at, string percent = "19") => new("DE", "", "VAT", Percent.Parse(percent), null, at);

    [Fact] public void B5_a_rate_of_now_is_set_once() => ASeller().When(s => SetTaxRateDecision.Decide(RateNow(Feb1), s)).Then(FromNow(Feb1));
    [Fact] public void A_rate_of_now_holds_already_only_where_all_clocks_show_its_day()
    {
        var dated = Vat with { From = Feb1 };
        ASeller(dated).When(s => SetTaxRateDecision.Decide(RateNow(Feb1.AddHours(11)), s)).Then(FromNow(Feb1.AddHours(11)));
        ASeller(dated).When(s => SetTaxRateDecision.Decide(RateNow(Feb1.AddHours(12)), s)).ThenNothing();
        // Another one of a later day goes before it whatever is said now, and one of this day does not.
        ASeller(Vat, dated with { Rate = Percent.Parse("20") }).When(s => SetTaxRateDecision.Decide(RateNow(Feb1.AddTicks(-1)), s)).ThenNothing();
        ASeller(Vat, dated with { Rate = Percent.Parse("20") }).When(s => SetTaxRateDecision.Decide(RateNow(Feb1), s)).Then(FromNow(Feb1));
    }
    [Fact] public void A_rate_of_a_day_is_not_the_one_that_was_set_at_that_moment() =>
        ASeller(FromNow(Feb1)).When(s => SetTaxRateDecision.Decide(RateNow(Feb1.AddDays(1)) with { From = Feb1 }, s)).Then(Vat with { From = Feb1, At = Feb1.AddDays(1) });
    [Fact] public void A_rate_of_now_that_is_the_one_that_begins_holds_where_that_is_still_to_come() =>
        ASeller(Vat, Vat with { From = Mar1, Rate = Percent.Parse("21") }).When(s => SetTaxRateDecision.Decide(RateNow(Mar1.AddHours(2), "21"), s)).Then(FromNow(Mar1.AddHours(2), "21"));
    [Fact] public void A_product_is_known() => ASeller().When(s => SetTaxRateDecision.Decide(new("DE", "books", "VAT", Percent.Parse("7"), Jan1, Jan1), s)).ThenRefused("product_unknown");
    [Fact] public void B5_a_seller_is_described_once() => ASeller().When(s => DescribeSellerDecision.Decide(
        new(Seller.Name, Seller.AddressLines, Seller.TaxId, Seller.Email, Seller.PaymentInstructions, 14, Jan1), s)).Then([.. Seller.Split()]);
    [Fact] public void New_payment_terms_are_not_a_new_seller() => ASeller().Given(Seller).When(s => DescribeSellerDecision.Decide(
        new(Seller.Name, Seller.AddressLines, Seller.TaxId, Seller.Email, Seller.PaymentInstructions, 30, Feb1), s)).Then(new PaymentTermsSet(30, Feb1));
    [Fact] public void A_seller_of_before_the_split_is_the_seller_and_its_terms_in_one_event() => Assert.Equal(
        SellerAfter([.. Seller.Split()]) with { Version = 1 }, SellerAfter(Seller));
    [Fact] public void A_seller_says_its_country_once() => ASeller().Given(Seller).When(s => DescribeSellerDecision.Decide(
        new(Seller.Name, Seller.AddressLines, Seller.TaxId, Seller.Email, Seller.PaymentInstructions, 14, Jan1, "DE"), s)).Then(SellerInGermany);
    [Fact] public void A_seller_says_that_it_is_not_subject_to_VAT_and_takes_it_back()
    {
        DescribeSeller Described(bool isNot) => new(Seller.Name, Seller.AddressLines, "30/123/45678", Seller.Email, Seller.PaymentInstructions, 14, Jan1, "DE", isNot);
        ASeller().Given(Seller).When(s => DescribeSellerDecision.Decide(Described(true), s)).Then(SellerNotSubjectToVat);
        ASeller().Given(Seller, SellerNotSubjectToVat).When(s => DescribeSellerDecision.Decide(Described(false), s)).Then(SellerNotSubjectToVat with { NotSubjectToVat = false });
    }
    [Fact] public void Whoever_is_not_subject_to_VAT_has_no_VAT_identifier() => ASeller().When(s => DescribeSellerDecision.Decide(
        new("Tokenwerke", ["Berlin"], "DE 123 456 789", "", "", 14, Jan1, "DE", NotSubjectToVat: true), s)).ThenRefused("vat_contradictory");
    [Theory, InlineData("Germany"), InlineData("UK"), InlineData("ZZ"), InlineData("de")]
    public void The_country_of_a_seller_is_a_code(string country) => ASeller().When(s => DescribeSellerDecision.Decide(new("Tokenwerke", ["Berlin"], "", "", "", 14, Jan1, country), s)).ThenRefused("country_invalid");
    [Fact] public void A_seller_has_an_address() => ASeller().When(s => DescribeSellerDecision.Decide(new("Tokenwerke", [], "", "", "", 14, Jan1), s)).ThenRefused("seller_incomplete");
    [Theory, InlineData("  ", "Berlin", "", ""), InlineData("Tokenwerke", " ", "", ""), InlineData("Tokenwerke", "Berlin", " ", ""), InlineData("Tokenwerke", "Berlin", "", " \n ")]
    public void What_is_blank_is_not_said_of_a_seller(string name, string line, string taxId, string payment) =>
        ASeller().When(s => DescribeSellerDecision.Decide(new(name, [line], taxId, "", payment, 14, Jan1), s)).ThenRefused("seller_incomplete");
    [Theory, InlineData("100.5"), InlineData("-1"), InlineData("1.1234567"), InlineData("19%"), InlineData("")]
    public void A_percentage_is_a_plain_decimal(string text) => Assert.Throws<FormatException>(() => Percent.Parse(text));
    [Theory, InlineData("19.00", "19"), InlineData("7.70", "7.7"), InlineData("0", "0"), InlineData("100", "100")]
    public void A_percentage_has_one_form(string text, string form) => Assert.Equal(form, Percent.Parse(text).ToString());
}
