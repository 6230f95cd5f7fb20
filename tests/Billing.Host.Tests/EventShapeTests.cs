using System.Text;
using System.Text.Json;
using Billing.Accounts;
using Billing.Customers;
using Billing.Dunning;
using Billing.Invoices;
using Billing.Menus;
using Billing.Operations;
using Billing.Periods;
using Billing.Rating;
using Billing.Sellers;
using Billing.Subscriptions;
using Billing.Webhooks;
using Marten;

namespace Billing.Host.Tests;

/// <summary>A sample of every stored event, and of every shape that it was ever stored in: pins its name and its JSON as the store writes it, and proves that every fold has an arm for it.</summary>
public sealed class EventShapeTests
{
    private static readonly DateTimeOffset At = new(2026, 1, 1, 0, 0, 0, TimeSpan.Zero);

    private static readonly ISerializer Stored = StoredJson.Serializer();

    private static readonly MenuTermsReceived Menu = new(
        "menu_1", "Spring", Currency.Parse("USD"), 20,
        [new("plan_1", "Small", new(9_600_000), [new(CapWindow.BillingPeriod, 1_000, Cap.GeneratedTokens, CapEnforcement.Billed)], [new(TokenKind.Output, UnitPrice.Parse("0.15"))])],
        ["any"], At);

    private static readonly Attribution By = new("ada", "asked for it");
    private static readonly CustomerCreated Created = new(Currency.Parse("USD"), "acme", At);
    private static readonly SubscriptionStarted Started = new("cus_1", "menu_1", "plan_1", At);
    private static readonly PeriodOpened Opened = new("sub_1", "cus_1", "menu_1", "plan_1", 0, At, At.AddMonths(1), "", At);
    private static readonly UsageApplied Applied = new(3, 7, [new("plan_1", TokenKind.CachedInput, 5)], At);
    private static readonly PeriodClosed Closed = new([new(3, 7)], At);

    private static readonly WebhookEndpointRegistered Endpoint = new("https://example.com/", ["invoice.finalized"], "books", At);
    private static readonly InvoiceFinalized Final = new("INV-000001", "per_1", "sub_1", "cus_1", Currency.Parse("USD"), new(9_600_000), "ab", At);

    private static readonly DunningSchedule Schedule = new([1, 3], 21, DunningFinalAction.CancelSubscription);
    private static readonly DunningStarted Dunned = new(Schedule, At, At);

    public static TheoryData<string, object, object[], string> Samples => new()
    {
        { "customer_details_recorded", new CustomerDetailsRecorded("ab", At), [Created], """{"detailsSha256":"ab","at":"2026-01-01T00:00:00+00:00"}""" },
        { "customer_tax_set", new CustomerTaxSet("US", "CA", TaxStatus.Business, At), [Created], """{"country":"US","region":"CA","status":"business","at":"2026-01-01T00:00:00+00:00"}""" },
        { "customer_time_zone_set", new CustomerTimeZoneSet("Europe/Berlin", At), [Created], """{"timeZone":"Europe/Berlin","at":"2026-01-01T00:00:00+00:00"}""" },
        { "customer_erased", new CustomerErased(At), [Created], """{"at":"2026-01-01T00:00:00+00:00"}""" },
        { "customer_created", new CustomerCreated(Currency.Parse("USD"), "acme", At), [], """{"currency":"USD","reference":"acme","at":"2026-01-01T00:00:00+00:00"}""" },
        {
            "menu_terms_received", Menu, [],
            """{"menuId":"menu_1","name":"Spring","currency":"USD","conversationsPerPeriod":20,"plans":[{"planId":"plan_1","name":"Small","periodFeeMicros":9600000,"caps":[{"window":"billing_period","tokens":1000,"counts":["output","reasoning"],"enforcement":"billed"}],"overage":[{"kind":"output","perMillionTokens":"0.15"}]}],"models":["any"],"publishedAt":"2026-01-01T00:00:00+00:00"}"""
        },
        { "menu_withdrawn", new MenuWithdrawn("menu_1", "a better one is on sale", At), [Menu], """{"menuId":"menu_1","reason":"a better one is on sale","at":"2026-01-01T00:00:00+00:00"}""" },
        { "subscription_started", new SubscriptionStarted("cus_1", "menu_1", "plan_1", At), [], """{"customerId":"cus_1","menuId":"menu_1","planId":"plan_1","at":"2026-01-01T00:00:00+00:00"}""" },
        {
            "subscription_started", new SubscriptionStarted("cus_1", "menu_1", "plan_1", At, new(new(31, "UTC"), At.AddDays(-1), At.AddDays(30), At.AddDays(58)), At.AddDays(14)), [],
            """{"customerId":"cus_1","menuId":"menu_1","planId":"plan_1","at":"2026-01-01T00:00:00+00:00","calendar":{"anchor":{"dayOfMonth":31,"timeZone":"UTC"},"fullStart":"2025-12-31T00:00:00+00:00","firstEnd":"2026-01-31T00:00:00+00:00","secondEnd":"2026-02-28T00:00:00+00:00"},"trialEnd":"2026-01-15T00:00:00+00:00"}"""
        },
        { "subscription_period_turned", new SubscriptionPeriodTurned(1, At, At.AddDays(89)), [Started], """{"number":1,"at":"2026-01-01T00:00:00+00:00","nextEnd":"2026-03-31T00:00:00+00:00"}""" },
        { "subscription_activated", new SubscriptionActivated(At, At), [Started with { TrialEnd = At.AddDays(14) }], """{"effectiveAt":"2026-01-01T00:00:00+00:00","at":"2026-01-01T00:00:00+00:00"}""" },
        { "subscription_plan_changed", new SubscriptionPlanChanged("menu_1", "plan_2", At, At), [Started], """{"menuId":"menu_1","planId":"plan_2","effectiveAt":"2026-01-01T00:00:00+00:00","at":"2026-01-01T00:00:00+00:00"}""" },
        {
            "subscription_plan_change_scheduled", new SubscriptionPlanChangeScheduled("menu_1", "plan_2", At, At), [Started],
            """{"menuId":"menu_1","planId":"plan_2","effectiveAt":"2026-01-01T00:00:00+00:00","at":"2026-01-01T00:00:00+00:00"}"""
        },
        {
            "subscription_cancellation_scheduled", new SubscriptionCancellationScheduled(At, At), [Started],
            """{"effectiveAt":"2026-01-01T00:00:00+00:00","at":"2026-01-01T00:00:00+00:00"}"""
        },
        { "subscription_paused", new SubscriptionPaused(At, At.AddDays(9), At), [Started], """{"effectiveAt":"2026-01-01T00:00:00+00:00","resumeAt":"2026-01-10T00:00:00+00:00","at":"2026-01-01T00:00:00+00:00"}""" },
        { "subscription_paused", new SubscriptionPaused(At, null, At), [Started], """{"effectiveAt":"2026-01-01T00:00:00+00:00","at":"2026-01-01T00:00:00+00:00"}""" },
        {
            "subscription_pause_scheduled", new SubscriptionPauseScheduled(At, At.AddDays(9), At), [Started],
            """{"effectiveAt":"2026-01-01T00:00:00+00:00","resumeAt":"2026-01-10T00:00:00+00:00","at":"2026-01-01T00:00:00+00:00"}"""
        },
        { "subscription_pause_withdrawn", new SubscriptionPauseWithdrawn(At), [Started, new SubscriptionPauseScheduled(At, null, At)], """{"at":"2026-01-01T00:00:00+00:00"}""" },
        {
            "subscription_resumed", new SubscriptionResumed(At, At), [Started, new SubscriptionPaused(At, null, At)],
            """{"effectiveAt":"2026-01-01T00:00:00+00:00","at":"2026-01-01T00:00:00+00:00"}"""
        },
        { "subscription_schedule_withdrawn", new SubscriptionScheduleWithdrawn(At), [Started], """{"at":"2026-01-01T00:00:00+00:00"}""" },
        { "subscription_cancelled", new SubscriptionCancelled(At, At), [Started], """{"effectiveAt":"2026-01-01T00:00:00+00:00","at":"2026-01-01T00:00:00+00:00"}""" },
        { "subscription_period_turned", new SubscriptionPeriodTurned(1, At), [new SubscriptionStarted("cus_1", "menu_1", "plan_1", At)], """{"number":1,"at":"2026-01-01T00:00:00+00:00"}""" },
        {
            "period_opened", Opened, [],
            """{"subscriptionId":"sub_1","customerId":"cus_1","menuId":"menu_1","planId":"plan_1","number":0,"start":"2026-01-01T00:00:00+00:00","end":"2026-02-01T00:00:00+00:00","previousPeriodId":"","at":"2026-01-01T00:00:00+00:00"}"""
        },
        {
            "period_opened", Opened with { FullStart = At.AddDays(-1), Trial = true, Ended = true }, [],
            """{"subscriptionId":"sub_1","customerId":"cus_1","menuId":"menu_1","planId":"plan_1","number":0,"start":"2026-01-01T00:00:00+00:00","end":"2026-02-01T00:00:00+00:00","previousPeriodId":"","at":"2026-01-01T00:00:00+00:00","fullStart":"2025-12-31T00:00:00+00:00","trial":true,"ended":true}"""
        },
        {
            "period_plan_changed", new PeriodPlanChanged("menu_1", "plan_2", false, At, At), [Opened],
            """{"menuId":"menu_1","planId":"plan_2","trial":false,"from":"2026-01-01T00:00:00+00:00","at":"2026-01-01T00:00:00+00:00"}"""
        },
        {
            "period_plan_changed", new PeriodPlanChanged("menu_1", "plan_1", false, At, At, Paused: true), [Opened],
            """{"menuId":"menu_1","planId":"plan_1","trial":false,"from":"2026-01-01T00:00:00+00:00","at":"2026-01-01T00:00:00+00:00","paused":true}"""
        },
        {
            "period_opened", Opened with { Paused = true }, [],
            """{"subscriptionId":"sub_1","customerId":"cus_1","menuId":"menu_1","planId":"plan_1","number":0,"start":"2026-01-01T00:00:00+00:00","end":"2026-02-01T00:00:00+00:00","previousPeriodId":"","at":"2026-01-01T00:00:00+00:00","paused":true}"""
        },
        {
            "late_usage_added", new LateUsageAdded("per_1", "menu_1", 0, At, At, 4, [], [], At, new(At, At, At, [new("plan_1", At, false, Paused: true)], null)), [Opened],
            """{"fromPeriodId":"per_1","fromMenuId":"menu_1","fromNumber":0,"fromStart":"2026-01-01T00:00:00+00:00","fromEnd":"2026-01-01T00:00:00+00:00","throughVersion":4,"before":[],"added":[],"at":"2026-01-01T00:00:00+00:00","fromPlans":{"fullStart":"2026-01-01T00:00:00+00:00","start":"2026-01-01T00:00:00+00:00","end":"2026-01-01T00:00:00+00:00","segments":[{"planId":"plan_1","from":"2026-01-01T00:00:00+00:00","trial":false,"paused":true}],"endedAt":null}}"""
        },
        { "period_plan_ended", new PeriodPlanEnded(At, At), [Opened], """{"from":"2026-01-01T00:00:00+00:00","at":"2026-01-01T00:00:00+00:00"}""" },
        {
            "late_usage_added", new LateUsageAdded("per_1", "menu_1", 0, At, At, 4, [], [], At, new(At, At, At, [new("plan_1", At, false)], At)), [Opened],
            """{"fromPeriodId":"per_1","fromMenuId":"menu_1","fromNumber":0,"fromStart":"2026-01-01T00:00:00+00:00","fromEnd":"2026-01-01T00:00:00+00:00","throughVersion":4,"before":[],"added":[],"at":"2026-01-01T00:00:00+00:00","fromPlans":{"fullStart":"2026-01-01T00:00:00+00:00","start":"2026-01-01T00:00:00+00:00","end":"2026-01-01T00:00:00+00:00","segments":[{"planId":"plan_1","from":"2026-01-01T00:00:00+00:00","trial":false}],"endedAt":"2026-01-01T00:00:00+00:00"}}"""
        },
        { "period_closed", Closed with { CustomerDetailsSha256 = "ab" }, [Opened], """{"cut":[{"shard":3,"number":7}],"at":"2026-01-01T00:00:00+00:00","customerDetailsSha256":"ab"}""" },
        { "usage_applied", Applied with { Chain = "ab" }, [Opened], """{"shard":3,"report":7,"lines":[{"planId":"plan_1","kind":"cached_input","tokens":5}],"recordedAt":"2026-01-01T00:00:00+00:00","chain":"ab"}""" },
        { "usage_applied", Applied, [Opened], """{"shard":3,"report":7,"lines":[{"planId":"plan_1","kind":"cached_input","tokens":5}],"recordedAt":"2026-01-01T00:00:00+00:00"}""" },
        {
            "late_usage_added", new LateUsageAdded("per_1", "menu_1", 0, At, At.AddMonths(1), 4, [], [new("plan_1", TokenKind.Output, 5)], At), [Opened],
            """{"fromPeriodId":"per_1","fromMenuId":"menu_1","fromNumber":0,"fromStart":"2026-01-01T00:00:00+00:00","fromEnd":"2026-02-01T00:00:00+00:00","throughVersion":4,"before":[],"added":[{"planId":"plan_1","kind":"output","tokens":5}],"at":"2026-01-01T00:00:00+00:00"}"""
        },
        { "period_closed", Closed, [Opened], """{"cut":[{"shard":3,"number":7}],"at":"2026-01-01T00:00:00+00:00"}""" },
        { "late_usage_carried", new LateUsageCarried("per_2", 3, At), [Opened, Closed, Applied], """{"intoPeriodId":"per_2","throughVersion":3,"at":"2026-01-01T00:00:00+00:00"}""" },
        {
            "invoice_finalized", new InvoiceFinalized("INV-000001", "per_1", "sub_1", "cus_1", Currency.Parse("USD"), new(9_600_000), "ab", At), [],
            """{"number":"INV-000001","periodId":"per_1","subscriptionId":"sub_1","customerId":"cus_1","currency":"USD","totalMicros":9600000,"documentSha256":"ab","at":"2026-01-01T00:00:00+00:00"}"""
        },
        {
            "invoice_terms_cut", new InvoiceTermsCut("acct_1", 3, 2, At.AddDays(30), At), [],
            """{"accountId":"acct_1","accountVersion":3,"sellerVersion":2,"dueAt":"2026-01-31T00:00:00+00:00","at":"2026-01-01T00:00:00+00:00"}"""
        },
        { "invoice_voided", new InvoiceVoided("wrong customer", At), [Final], """{"reason":"wrong customer","at":"2026-01-01T00:00:00+00:00"}""" },
        {
            "credit_note_issued", new CreditNoteIssued("cn_1", "CN-000001", "outage", [new("VAT 19 % (DE)", new(1_000_000), new(190_000))], new(1_190_000), "cd", At), [Final],
            """{"creditNoteId":"cn_1","number":"CN-000001","reason":"outage","parts":[{"description":"VAT 19 % (DE)","netMicros":1000000,"taxMicros":190000}],"totalMicros":1190000,"documentSha256":"cd","at":"2026-01-01T00:00:00+00:00"}"""
        },
        {
            "payment_recorded", new PaymentRecorded("stripe", "pi_1", new(9_600_000), At, At), [Final],
            """{"provider":"stripe","reference":"pi_1","amountMicros":9600000,"paidAt":"2026-01-01T00:00:00+00:00","at":"2026-01-01T00:00:00+00:00"}"""
        },
        {
            "refund_recorded", new RefundRecorded("stripe", "re_1", new(600_000), At, At), [Final, new PaymentRecorded("stripe", "pi_1", new(9_600_000), At, At)],
            """{"provider":"stripe","reference":"re_1","amountMicros":600000,"refundedAt":"2026-01-01T00:00:00+00:00","at":"2026-01-01T00:00:00+00:00"}"""
        },
        { "invoice_fell_overdue", new InvoiceFellOverdue(new(9_600_000), At), [Final], """{"outstandingMicros":9600000,"at":"2026-01-01T00:00:00+00:00"}""" },
        {
            "dunning_started", new DunningStarted(Schedule, At, At), [Final],
            """{"schedule":{"stepDays":[1,3],"finalDay":21,"finalAction":"cancel_subscription"},"from":"2026-01-01T00:00:00+00:00","at":"2026-01-01T00:00:00+00:00"}"""
        },
        {
            "dunning_step_taken", new DunningStepTaken(1, new(9_600_000), At, At), [Final, Dunned],
            """{"step":1,"outstandingMicros":9600000,"dueAt":"2026-01-01T00:00:00+00:00","at":"2026-01-01T00:00:00+00:00"}"""
        },
        {
            "dunning_exhausted", new DunningExhausted(DunningFinalAction.MarkUncollectible, new(9_600_000), At, At), [Final, Dunned],
            """{"finalAction":"mark_uncollectible","outstandingMicros":9600000,"dueAt":"2026-01-01T00:00:00+00:00","at":"2026-01-01T00:00:00+00:00"}"""
        },
        {
            "dunning_exhausted", new DunningExhausted(DunningFinalAction.None, new(9_600_000), At, At), [Final, Dunned],
            """{"finalAction":"none","outstandingMicros":9600000,"dueAt":"2026-01-01T00:00:00+00:00","at":"2026-01-01T00:00:00+00:00"}"""
        },
        { "dunning_exhausted", new DunningExhausted(DunningFinalAction.PauseSubscription, new(9_600_000), At, At, "subscription_trialing"), [Final, Dunned], """{"finalAction":"pause_subscription","outstandingMicros":9600000,"dueAt":"2026-01-01T00:00:00+00:00","at":"2026-01-01T00:00:00+00:00","finalActionRefused":"subscription_trialing"}""" },
        { "dunning_held", new DunningHeld("disputed", At) { By = By }, [Final], """{"reason":"disputed","at":"2026-01-01T00:00:00+00:00","by":{"actor":"ada","reason":"asked for it"}}""" },
        { "dunning_released", new DunningReleased(At) { By = By }, [Final, new DunningHeld("disputed", At)], """{"at":"2026-01-01T00:00:00+00:00","by":{"actor":"ada","reason":"asked for it"}}""" },
        {
            "payment_failed", new PaymentFailed("stripe", "ch_1", "card_declined", At, At), [Final],
            """{"provider":"stripe","reference":"ch_1","reason":"card_declined","failedAt":"2026-01-01T00:00:00+00:00","at":"2026-01-01T00:00:00+00:00"}"""
        },
        { "invoice_written_off", new InvoiceWrittenOff(new(9_600_000), "insolvent", At), [Final], """{"amountMicros":9600000,"reason":"insolvent","at":"2026-01-01T00:00:00+00:00"}""" },
        {
            "dunning_schedule_set", new DunningScheduleSet(Schedule, At), [],
            """{"schedule":{"stepDays":[1,3],"finalDay":21,"finalAction":"cancel_subscription"},"at":"2026-01-01T00:00:00+00:00"}"""
        },
        { "numbering_continued", new NumberingContinued("INV", 4711, At), [], """{"series":"INV","lastNumber":4711,"at":"2026-01-01T00:00:00+00:00"}""" },
        { "dunning_schedule_set", new DunningScheduleSet(null, At), [], """{"schedule":null,"at":"2026-01-01T00:00:00+00:00"}""" },
        {
            "webhook_endpoint_registered", Endpoint, [],
            """{"url":"https://example.com/","types":["invoice.finalized"],"description":"books","at":"2026-01-01T00:00:00+00:00"}"""
        },
        {
            "webhook_endpoint_updated", new WebhookEndpointUpdated("https://example.com/2", [], "books", At), [Endpoint],
            """{"url":"https://example.com/2","types":[],"description":"books","at":"2026-01-01T00:00:00+00:00"}"""
        },
        { "webhook_secret_rotated", new WebhookSecretRotated(true, At), [Endpoint], """{"atOnce":true,"at":"2026-01-01T00:00:00+00:00"}""" },
        {
            "webhook_endpoint_disabled", new WebhookEndpointDisabled(DisablingCause.ByHand, "moves", At) { By = By }, [Endpoint],
            """{"cause":"by_hand","detail":"moves","at":"2026-01-01T00:00:00+00:00","by":{"actor":"ada","reason":"asked for it"}}"""
        },
        { "webhook_endpoint_disabled", new WebhookEndpointDisabled(DisablingCause.Failures, "answered 500", At), [Endpoint], """{"cause":"failures","detail":"answered 500","at":"2026-01-01T00:00:00+00:00"}""" },
        { "webhook_endpoint_disabled", new WebhookEndpointDisabled(DisablingCause.Gone, "answered 410", At), [Endpoint], """{"cause":"gone","detail":"answered 410","at":"2026-01-01T00:00:00+00:00"}""" },
        { "webhook_endpoint_enabled", new WebhookEndpointEnabled(7, At), [Endpoint], """{"catchUpFrom":7,"at":"2026-01-01T00:00:00+00:00"}""" },
        { "webhook_endpoint_enabled", new WebhookEndpointEnabled(null, At), [Endpoint], """{"catchUpFrom":null,"at":"2026-01-01T00:00:00+00:00"}""" },
        { "webhook_replay_ordered", new WebhookReplayOrdered(3, 9, false, At), [Endpoint], """{"fromSequence":3,"toSequence":9,"onlyUndelivered":false,"at":"2026-01-01T00:00:00+00:00"}""" },
        { "webhook_replay_ordered", new WebhookReplayOrdered(3, null, true, At), [Endpoint], """{"fromSequence":3,"toSequence":null,"onlyUndelivered":true,"at":"2026-01-01T00:00:00+00:00"}""" },
        {
            "commitment_agreed", new CommitmentAgreed("com_1", "sub_1", new(20_000_000), At, At.AddMonths(1), At), [],
            """{"commitmentId":"com_1","subscriptionId":"sub_1","amountMicros":20000000,"from":"2026-01-01T00:00:00+00:00","until":"2026-02-01T00:00:00+00:00","at":"2026-01-01T00:00:00+00:00"}"""
        },
        {
            "discount_granted", new DiscountGranted("dis_1", "", "Launch", DiscountScope.Usage, Percent.Parse("12.5"), null, At, null, At), [],
            """{"discountId":"dis_1","subscriptionId":"","name":"Launch","scope":"usage","off":"12.5","offMicros":null,"from":"2026-01-01T00:00:00+00:00","until":null,"at":"2026-01-01T00:00:00+00:00"}"""
        },
        { "agreement_ended", new AgreementEnded("dis_1", At, At), [], """{"agreementId":"dis_1","until":"2026-01-01T00:00:00+00:00","at":"2026-01-01T00:00:00+00:00"}""" },
        {
            "money_credit_granted", new MoneyCreditGranted("crd_1", "Prepaid", new(50_000_000), 1, At.AddMonths(1), At), [],
            """{"grantId":"crd_1","name":"Prepaid","amountMicros":50000000,"priority":1,"expiresAt":"2026-02-01T00:00:00+00:00","at":"2026-01-01T00:00:00+00:00"}"""
        },
        {
            "token_credit_granted", new TokenCreditGranted("crd_2", "Pack", 1_000_000, [TokenKind.Output], 0, null, At), [],
            """{"grantId":"crd_2","name":"Pack","tokens":1000000,"kinds":["output"],"priority":0,"expiresAt":null,"at":"2026-01-01T00:00:00+00:00"}"""
        },
        {
            "credit_drawn", new CreditDrawn("inv_1", [new("crd_1", 0, new(5_000_000))], At), [new MoneyCreditGranted("crd_1", "Prepaid", new(50_000_000), 1, null, At)],
            """{"invoiceId":"inv_1","draws":[{"grantId":"crd_1","tokens":0,"amountMicros":5000000}],"at":"2026-01-01T00:00:00+00:00"}"""
        },
        { "credit_returned", new CreditReturned("inv_1", At), [new CreditDrawn("inv_1", [], At)], """{"invoiceId":"inv_1","at":"2026-01-01T00:00:00+00:00"}""" },
        {
            "tax_treatment_set", new TaxTreatmentSet("DE", TaxTreatment.ReverseCharge, "FR123", At), [],
            """{"jurisdiction":"DE","treatment":"reverse_charge","note":"FR123","at":"2026-01-01T00:00:00+00:00"}"""
        },
        {
            "seller_described", new SellerDescribed("Tokenwerke", ["Street 1"], "DE1", "a@b.example", "IBAN", 14, At), [],
            """{"name":"Tokenwerke","addressLines":["Street 1"],"taxId":"DE1","email":"a@b.example","paymentInstructions":"IBAN","paymentTermsDays":14,"at":"2026-01-01T00:00:00+00:00"}"""
        },
        {
            "seller_named", new SellerNamed("Tokenwerke", ["Street 1"], "DE1", "a@b.example", "IBAN", At), [],
            """{"name":"Tokenwerke","addressLines":["Street 1"],"taxId":"DE1","email":"a@b.example","paymentInstructions":"IBAN","at":"2026-01-01T00:00:00+00:00"}"""
        },
        {
            "seller_named", new SellerNamed("Tokenwerke", ["Street 1"], "DE1", "a@b.example", "IBAN", At, "DE"), [],
            """{"name":"Tokenwerke","addressLines":["Street 1"],"taxId":"DE1","email":"a@b.example","paymentInstructions":"IBAN","at":"2026-01-01T00:00:00+00:00","country":"DE"}"""
        },
        { "seller_named", new SellerNamed("T", ["S 1"], "30/1", "", "", At, "DE", true), [], """{"name":"T","addressLines":["S 1"],"taxId":"30/1","email":"","paymentInstructions":"","at":"2026-01-01T00:00:00+00:00","country":"DE","notSubjectToVat":true}""" },
        { "payment_terms_set", new PaymentTermsSet(14, At), [], """{"days":14,"at":"2026-01-01T00:00:00+00:00"}""" },
        {
            "period_opened", Opened with { LocalTime = new("Europe/Berlin", [new(At, 60)]) }, [],
            """{"subscriptionId":"sub_1","customerId":"cus_1","menuId":"menu_1","planId":"plan_1","number":0,"start":"2026-01-01T00:00:00+00:00","end":"2026-02-01T00:00:00+00:00","previousPeriodId":"","at":"2026-01-01T00:00:00+00:00","localTime":{"timeZone":"Europe/Berlin","offsets":[{"from":"2026-01-01T00:00:00+00:00","minutes":60}]}}"""
        },
        {
            "tax_treatment_set", new TaxTreatmentSet("FR", TaxTreatment.ReverseCharge, "", At, At, "ab"), [],
            """{"jurisdiction":"FR","treatment":"reverse_charge","note":"","at":"2026-01-01T00:00:00+00:00","from":"2026-01-01T00:00:00+00:00","noteSha256":"ab"}"""
        },
        {
            "tax_treatment_set", new TaxTreatmentSet("FR", TaxTreatment.ReverseCharge, "", At, At, "ab", true), [],
            """{"jurisdiction":"FR","treatment":"reverse_charge","note":"","at":"2026-01-01T00:00:00+00:00","from":"2026-01-01T00:00:00+00:00","noteSha256":"ab","fromNow":true}"""
        },
        {
            "invoice_terms_cut", new InvoiceTermsCut("acct_1", 3, 2, At.AddDays(30), At, 1), [],
            """{"accountId":"acct_1","accountVersion":3,"sellerVersion":2,"dueAt":"2026-01-31T00:00:00+00:00","at":"2026-01-01T00:00:00+00:00","customerVersion":1}"""
        },
        {
            "invoice_terms_cut", new InvoiceTermsCut("acct_1", 3, 2, At.AddDays(30), At, 1, 3), [],
            """{"accountId":"acct_1","accountVersion":3,"sellerVersion":2,"dueAt":"2026-01-31T00:00:00+00:00","at":"2026-01-01T00:00:00+00:00","customerVersion":1,"ratingVersion":3}"""
        },
        {
            "invoice_terms_cut", new InvoiceTermsCut("acct_1", 3, 2, At.AddDays(30), At, 1, 4, [new("per_1", 2)]), [],
            """{"accountId":"acct_1","accountVersion":3,"sellerVersion":2,"dueAt":"2026-01-31T00:00:00+00:00","at":"2026-01-01T00:00:00+00:00","customerVersion":1,"ratingVersion":4,"earlier":[{"periodId":"per_1","accountVersion":2}]}"""
        },
        { "invoice_terms_cut", new InvoiceTermsCut("acct_1", 3, 2, At.AddDays(30), At, 1, 9, [new("per_1", 2, true)]), [], """{"accountId":"acct_1","accountVersion":3,"sellerVersion":2,"dueAt":"2026-01-31T00:00:00+00:00","at":"2026-01-01T00:00:00+00:00","customerVersion":1,"ratingVersion":9,"earlier":[{"periodId":"per_1","accountVersion":2,"voided":true}]}""" },
        {
            "menu_terms_received", Menu with { Plans = [new("plan_1", "Small", new(1), [], [OveragePrice.Tiered(TokenKind.Output, PriceModel.Graduated, [new(9, UnitPrice.Parse("2")), new(null, UnitPrice.Parse("1"))])])] }, [],
            """{"menuId":"menu_1","name":"Spring","currency":"USD","conversationsPerPeriod":20,"plans":[{"planId":"plan_1","name":"Small","periodFeeMicros":1,"caps":[],"overage":[{"kind":"output","perMillionTokens":"2","tiers":[{"upTo":9,"perMillionTokens":"2"},{"upTo":null,"perMillionTokens":"1"}],"model":"graduated"}]}],"models":["any"],"publishedAt":"2026-01-01T00:00:00+00:00"}"""
        },
        {
            "menu_terms_received", Menu with { Plans = [new("plan_1", "Small", new(1), [], [OveragePrice.Packaged(TokenKind.Output, new(100_000, new(2_000_000)))])] }, [],
            """{"menuId":"menu_1","name":"Spring","currency":"USD","conversationsPerPeriod":20,"plans":[{"planId":"plan_1","name":"Small","periodFeeMicros":1,"caps":[],"overage":[{"kind":"output","perMillionTokens":"0","model":"package","package":{"tokens":100000,"priceMicros":2000000}}]}],"models":["any"],"publishedAt":"2026-01-01T00:00:00+00:00"}"""
        },
        { "replay_ordered", new ReplayOrdered("UsageRecorded/1/1", "failed", At) { By = By }, [], """{"messageId":"UsageRecorded/1/1","reason":"failed","at":"2026-01-01T00:00:00+00:00","by":{"actor":"ada","reason":"asked for it"}}""" },
        { "message_set_aside", new MessageSetAside("UsageRecorded/1/1/5f", "report_changed", At) { By = By }, [], """{"messageId":"UsageRecorded/1/1/5f","reason":"report_changed","at":"2026-01-01T00:00:00+00:00","by":{"actor":"ada","reason":"asked for it"}}""" },
        { "key_registration_ordered", new KeyRegistrationOrdered("key_1", "engine", ["runtime"], null, At) { By = By }, [], """{"keyId":"key_1","name":"engine","scopes":["runtime"],"at":"2026-01-01T00:00:00+00:00","by":{"actor":"ada","reason":"asked for it"}}""" },
        { "key_registration_ordered", new KeyRegistrationOrdered("key_1", "cus_1", ["customer"], "cus_1", At) { By = By }, [], """{"keyId":"key_1","name":"cus_1","scopes":["customer"],"customerId":"cus_1","at":"2026-01-01T00:00:00+00:00","by":{"actor":"ada","reason":"asked for it"}}""" },
        { "key_revocation_ordered", new KeyRevocationOrdered("key_1", At) { By = By }, [], """{"keyId":"key_1","at":"2026-01-01T00:00:00+00:00","by":{"actor":"ada","reason":"asked for it"}}""" },
        { "views_rebuilt", new ViewsRebuilt(900, At) { By = By }, [], """{"events":900,"at":"2026-01-01T00:00:00+00:00","by":{"actor":"ada","reason":"asked for it"}}""" },
        { "books_imported", new BooksImported(900, 907, At) { By = By }, [], """{"events":900,"lastSequence":907,"at":"2026-01-01T00:00:00+00:00","by":{"actor":"ada","reason":"asked for it"}}""" },
        { "books_imported", new BooksImported(900, 907, At, 3) { By = By }, [], """{"events":900,"lastSequence":907,"at":"2026-01-01T00:00:00+00:00","unsealedEvents":3,"by":{"actor":"ada","reason":"asked for it"}}""" },
        { "publishing_restarted", new PublishingRestarted(["subscription-publisher"], At) { By = By }, [], """{"publishers":["subscription-publisher"],"at":"2026-01-01T00:00:00+00:00","by":{"actor":"ada","reason":"asked for it"}}""" },
        { "shard_resumed", new ShardResumed(3, "report 1 came again", At), [], """{"shard":3,"stopped":"report 1 came again","at":"2026-01-01T00:00:00+00:00"}""" },
        // What every event may say since it is said who did it, for one event of each kind of stream.
        { "customer_erased", new CustomerErased(At) { By = By }, [Created], """{"at":"2026-01-01T00:00:00+00:00","by":{"actor":"ada","reason":"asked for it"}}""" },
        { "customer_erased", new CustomerErased(At) { By = By with { Key = "key_1" } }, [Created], """{"at":"2026-01-01T00:00:00+00:00","by":{"actor":"ada","reason":"asked for it","key":"key_1"}}""" },
        { "subscription_cancelled", new SubscriptionCancelled(At, At) { By = By }, [Started], """{"effectiveAt":"2026-01-01T00:00:00+00:00","at":"2026-01-01T00:00:00+00:00","by":{"actor":"ada","reason":"asked for it"}}""" },
        { "invoice_voided", new InvoiceVoided("wrong customer", At) { By = By }, [Final], """{"reason":"wrong customer","at":"2026-01-01T00:00:00+00:00","by":{"actor":"ada","reason":"asked for it"}}""" },
        { "agreement_ended", new AgreementEnded("dis_1", At, At) { By = By }, [], """{"agreementId":"dis_1","until":"2026-01-01T00:00:00+00:00","at":"2026-01-01T00:00:00+00:00","by":{"actor":"ada","reason":"asked for it"}}""" },
        {
            "seller_named", new SellerNamed("Tokenwerke", ["Street 1"], "DE1", "a@b.example", "IBAN", At, "DE"), [],
            """{"name":"Tokenwerke","addressLines":["Street 1"],"taxId":"DE1","email":"a@b.example","paymentInstructions":"IBAN","at":"2026-01-01T00:00:00+00:00","country":"DE"}"""
        },
        { "payment_terms_set", new PaymentTermsSet(14, At) { By = By }, [], """{"days":14,"at":"2026-01-01T00:00:00+00:00","by":{"actor":"ada","reason":"asked for it"}}""" },
        { "tax_rate_set", new TaxRateSet("DE", "", "VAT", Percent.Parse("19"), At, At), [], """{"jurisdiction":"DE","product":"","name":"VAT","rate":"19","from":"2026-01-01T00:00:00+00:00","at":"2026-01-01T00:00:00+00:00"}""" },
        { "tax_rate_set", new TaxRateSet("DE", "", "VAT", Percent.Parse("19"), At, At, true), [], """{"jurisdiction":"DE","product":"","name":"VAT","rate":"19","from":"2026-01-01T00:00:00+00:00","at":"2026-01-01T00:00:00+00:00","fromNow":true}""" },
    };

    private static readonly Type[] Roots =
        [typeof(CustomerEvent), typeof(MenuEvent), typeof(SubscriptionEvent), typeof(PeriodEvent), typeof(InvoiceEvent), typeof(AccountEvent), typeof(SellerEvent), typeof(OperationEvent), typeof(WebhookEvent)];

    [Fact]
    public void Every_event_has_a_sample()
    {
        var types = typeof(PeriodEvent).Assembly.GetTypes().Where(t => Roots.Any(t.IsSubclassOf)).Select(t => t.Name).Order();
        Assert.Equal(types, Samples.Select(s => ((object[])s)[1].GetType().Name).Distinct().Order());
    }

    [Theory, MemberData(nameof(Samples))]
    public void The_stored_shape_never_changes(string name, object e, object[] before, string json)
    {
        _ = before;
        Assert.Equal(name, JasperFx.Events.EventTypeExtensions.GetEventTypeName(e.GetType()));
        Assert.Equal(json, Stored.ToJson(e));
        Assert.Equal(e, JsonSerializer.Deserialize(json, e.GetType(), new JsonSerializerOptions(JsonSerializerDefaults.Web)));
        // Audits miss what a shape must have, and must not miss it in one that was ever stored.
        Assert.Equal(e, BillingStore.EventReader(Stored).FromJson(e.GetType(), new MemoryStream(Encoding.UTF8.GetBytes(json))));
    }

    [Theory, MemberData(nameof(Samples))]
    public void Every_fold_has_an_arm(string name, object e, object[] before, string json)
    {
        _ = (name, json);
        object[] events = [.. before, e];
        switch (e)
        {
            case CustomerEvent:
                events.Cast<CustomerEvent>().Aggregate(CustomerState.Initial, CustomerState.Evolve);
                events.Cast<CustomerEvent>().Aggregate((CustomerView?)null, (v, x) => CustomerView.Fold(v, "cus_1", x));
                break;
            case MenuEvent: events.Cast<MenuEvent>().Aggregate(MenuState.Initial, MenuState.Evolve); break;
            case SubscriptionEvent:
                events.Cast<SubscriptionEvent>().Aggregate(SubscriptionState.Initial, SubscriptionState.Evolve);
                events.Cast<SubscriptionEvent>().Aggregate((SubscriptionView?)null, (v, x) => SubscriptionView.Fold(v, "sub_1", x));
                break;
            case PeriodEvent:
                var period = Ids.Derive(Ids.Period, At, "1");
                events.Cast<PeriodEvent>().Aggregate(PeriodState.Initial, PeriodState.Evolve);
                events.Cast<PeriodEvent>().Aggregate((PeriodView?)null, (v, x) => PeriodView.Fold(v, period, x));
                break;
            case InvoiceEvent:
                events.Cast<InvoiceEvent>().Aggregate(InvoiceState.Initial, InvoiceState.Evolve);
                events.Cast<InvoiceEvent>().Aggregate((InvoiceStandingView?)null, (v, x) => InvoiceStandingView.Fold(v, "inv_1", x));
                break;
            case AccountEvent: events.Cast<AccountEvent>().Aggregate(AccountState.Initial, AccountState.Evolve); break;
            case WebhookEvent:
                events.Cast<WebhookEvent>().Aggregate(WebhookState.Initial, WebhookState.Evolve);
                events.Cast<WebhookEvent>().Aggregate((WebhookEndpointView?)null, (v, x) => WebhookEndpointView.Fold(v, "whk_1", x));
                break;
            case OperationEvent: events.Cast<OperationEvent>().Aggregate(OperationsState.Initial, OperationsState.Evolve); break;
            case SellerEvent: events.Cast<SellerEvent>().Aggregate(SellerState.Initial, SellerState.Evolve); break;
            default: Assert.Fail($"{e.GetType().Name} belongs to no stream"); break;
        }
    }
}
