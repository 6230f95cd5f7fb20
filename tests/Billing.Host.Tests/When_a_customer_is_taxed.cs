using Contracts.Billing.V1;
using Google.Protobuf.WellKnownTypes;
using Grpc.Core;
using static Billing.Host.Tests.BillingApp;

namespace Billing.Host.Tests;

public sealed class When_a_customer_is_taxed
{
    private static readonly DateTimeOffset Always = Jan1.AddYears(-5);

    private static async Task<BillingApp> Start()
    {
        var app = await BillingApp.StartAsync(new() { ["Billing:DuePollSeconds"] = "3600" });
        await app.Agreements.DescribeSellerAsync(new() { Name = "Tokenwerke GmbH", AddressLines = { "Torstr. 1" }, PaymentTermsDays = 14 });
        foreach (var (place, name, percent) in new[] { ("DE", "VAT", "19"), ("FR", "TVA", "20") })
            await app.Agreements.SetTaxRateAsync(new() { Jurisdiction = place, Name = name, Percent = percent, From = Always.ToTimestamp() });
        return app;
    }

    private static IEnumerable<string> TaxOf(Invoice invoice) => invoice.Lines.Where(l => l.Kind == "tax").Select(l => l.Description);

    [Fact]
    public async Task Its_identity_taxes_it_and_what_is_agreed_from_a_day_on_goes_before_it()
    {
        await using var app = await Start();
        var subscription = await app.Subscribe(Small);
        var customer = subscription.CustomerId;
        Assert.Equal(("none", ""), await Source());
        await Eventually.True(async () => TaxOf(await app.InvoiceOf(subscription.CurrentPeriod.PeriodId)).SequenceEqual(["No tax: it is not known how the customer is taxed"]), "the draft says so");
        await app.Billing.SetCustomerTaxAsync(new() { CustomerId = customer, Tax = new() { Country = "DE", Status = "business" } });
        Assert.Equal(("identity", "DE"), await Source());
        // It moves, which is written down before January's invoice is final.
        var moved = new SetTaxTreatmentRequest { CustomerId = customer, Jurisdiction = "FR", Treatment = "standard", From = Feb1.ToTimestamp() };
        var version = (await app.Agreements.SetTaxTreatmentAsync(moved)).Version;
        Assert.Equal(version, (await app.Agreements.SetTaxTreatmentAsync(moved)).Version);
        await app.Advance(Mar1.AddHours(1));
        Assert.Equal(["VAT 19 % (DE)", "TVA 20 % (FR)"], (await app.FinalInvoices()).OrderBy(i => i.Period.Number).SelectMany(TaxOf));
        Assert.Equal(("agreed", "FR"), await Source());
        Assert.All(await app.Replay(), r => Assert.True(r.Identical, r.Difference));

        async Task<(string, string)> Source()
        {
            var account = await app.Agreements.GetAccountAsync(new() { CustomerId = customer });
            return (account.TaxSource, account.Jurisdiction);
        }
    }

    [Fact]
    public async Task Why_it_pays_none_is_printed_and_kept_nowhere_once_it_is_erased()
    {
        await using var app = await Start();
        var subscription = await app.Subscribe(Small);
        var request = new SetTaxTreatmentRequest { CustomerId = subscription.CustomerId, Jurisdiction = "FR", Treatment = "reverse_charge", Note = "FR40303265045" };
        Metadata key = new() { { "idempotency-key", "reverse" } };
        var account = await app.Agreements.SetTaxTreatmentAsync(request, key);
        Assert.Equal("FR40303265045", account.TaxNote);
        Assert.Equal(account, await app.Agreements.SetTaxTreatmentAsync(request, key));
        await app.Billing.CancelSubscriptionAsync(new() { SubscriptionId = subscription.SubscriptionId, When = EffectiveWhen.PeriodEnd });
        await app.Advance(Feb1.AddHours(1));
        var invoice = (await app.FinalInvoices()).Single();
        Assert.DoesNotContain("FR40303265045", invoice.Document, StringComparison.Ordinal);
        Assert.Contains("FR40303265045", await Html(), StringComparison.Ordinal);

        await app.Billing.EraseCustomerAsync(new() { CustomerId = subscription.CustomerId });
        Assert.DoesNotContain("FR40303265045", await Html(), StringComparison.Ordinal);
        Assert.Contains("Reverse charge", await Html(), StringComparison.Ordinal);
        Assert.Equal("", (await app.Agreements.GetAccountAsync(new() { CustomerId = subscription.CustomerId })).TaxNote);
        Assert.Equal(0, await app.Sql<long>("""
            select (select count(*) from billing.mt_events where data::text like '%FR40303265045%') + (select count(*) from billing.personal_details)
                + (select count(*) from billing.mt_doc_idempotentcall where position('FR40303265045'::bytea in decode(data ->> 'response', 'base64')) > 0)
            """));
        Assert.All(await app.Replay(), r => Assert.True(r.Identical, r.Difference));

        async Task<string> Html() => (await app.Invoicing.GetInvoiceDocumentAsync(new() { InvoiceId = invoice.InvoiceId, Form = DocumentForm.Html })).Content.ToStringUtf8();
    }

    /// <summary>Two hours into the year by UTC, when it is six in the evening there.</summary>
    [Fact]
    public async Task From_now_on_is_this_moment_in_Los_Angeles_too()
    {
        await using var app = await Start();
        var customer = await app.Billing.CreateCustomerAsync(new() { Currency = "USD", Reference = "acme" });
        await app.Billing.SetCustomerTimeZoneAsync(new() { CustomerId = customer.CustomerId, TimeZone = "America/Los_Angeles" });
        await app.Advance(Jan1.AddHours(2));
        var seller = await app.Agreements.SetTaxRateAsync(new() { Jurisdiction = "US-CA", Name = "Tax", Percent = "8" });
        Assert.Equal([(false, Always), (false, Always), (true, Jan1.AddHours(2))], seller.Rates.Select(r => (r.FromNow, r.From.ToDateTimeOffset())));
        var account = await app.Agreements.SetTaxTreatmentAsync(new() { CustomerId = customer.CustomerId, Jurisdiction = "US-CA", Treatment = "standard" });
        Assert.Equal(("agreed", Jan1.AddHours(-6)), (account.TaxSource, account.TaxFrom.ToDateTimeOffset()));
        // East of UTC the first day that there is had begun before there was any.
        var tokyo = await app.Billing.CreateCustomerAsync(new() { Currency = "USD", Reference = "bert" });
        await app.Billing.SetCustomerTimeZoneAsync(new() { CustomerId = tokyo.CustomerId, TimeZone = "Asia/Tokyo" });
        var always = await app.Agreements.SetTaxTreatmentAsync(new() { CustomerId = tokyo.CustomerId, Jurisdiction = "JP", Treatment = "exempt", Note = "no. 7", From = DateTimeOffset.MinValue.ToTimestamp() });
        Assert.Equal(("agreed", DateTimeOffset.MinValue), (always.TaxSource, always.TaxFrom.ToDateTimeOffset()));
    }

    [Fact]
    public async Task B5_what_holds_from_now_on_is_the_same_when_it_is_said_again_later()
    {
        await using var app = await Start();
        var subscription = await app.Subscribe(Small);
        var commitment = new AgreeCommitmentRequest { CustomerId = subscription.CustomerId, SubscriptionId = subscription.SubscriptionId, CommitmentId = Ids.Derive("com", Jan1, "minimum"), AmountMicros = 30_000_000 };
        var discount = new GrantDiscountRequest { CustomerId = subscription.CustomerId, DiscountId = Ids.Derive("dis", Jan1, "launch"), Name = "Launch", Percent = "10" };
        var rate = new SetTaxRateRequest { Jurisdiction = "AT", Name = "VAT", Percent = "20" };
        async Task Say()
        {
            await app.Agreements.AgreeCommitmentAsync(commitment);
            await app.Agreements.GrantDiscountAsync(discount);
            await app.Agreements.SetTaxRateAsync(rate);
            await app.Agreements.EndAgreementAsync(new() { CustomerId = subscription.CustomerId, AgreementId = discount.DiscountId });
        }
        await Say();
        var events = await Events();
        await app.Advance(Jan1.AddDays(3));
        await Say();
        Assert.Equal(events, await Events());

        Task<long> Events() => app.Sql<long>("select count(*) from billing.mt_events where type in ('commitment_agreed', 'discount_granted', 'tax_rate_set', 'agreement_ended')");
    }
}
