using System.Xml.Linq;
using Contracts.Billing.V1;
using Google.Protobuf.WellKnownTypes;
using Grpc.Core;
using static Billing.Host.Tests.BillingApp;

namespace Billing.Host.Tests;

public sealed class When_an_e_invoice_is_asked_for
{
    private static async Task<Google.Rpc.ErrorInfo> Refused(AsyncUnaryCall<DocumentFile> call) =>
        (await Assert.ThrowsAsync<RpcException>(() => call.ResponseAsync)).GetRpcStatus()!.GetDetail<Google.Rpc.ErrorInfo>()!;

    [Fact]
    public async Task It_is_the_invoice_in_UBL_in_the_language_asked_for_and_refused_once_the_customer_is_erased()
    {
        await using var app = await BillingApp.StartAsync(new() { ["Billing:DuePollSeconds"] = "3600" });
        var outside = new DescribeSellerRequest { Name = "Tokenwerke GmbH", AddressLines = { "Torstr. 1", "10119 Berlin" }, TaxId = "30/123/45678", PaymentTermsDays = 14, NotSubjectToVat = true };
        Assert.True((await app.Agreements.DescribeSellerAsync(outside)).NotSubjectToVat);
        Assert.Equal("vat_contradictory", (await Assert.ThrowsAsync<RpcException>(() => app.Agreements.DescribeSellerAsync(new(outside) { TaxId = "DE123456789" }).ResponseAsync)).GetRpcStatus()!.GetDetail<Google.Rpc.ErrorInfo>()!.Reason);
        await app.Agreements.DescribeSellerAsync(new() { Name = "Tokenwerke GmbH", AddressLines = { "Torstr. 1", "10119 Berlin" }, TaxId = "DE123456789", PaymentTermsDays = 14 });
        await app.Agreements.SetTaxRateAsync(new() { Jurisdiction = "DE", Name = "VAT", Percent = "19", From = Jan1.AddYears(-5).ToTimestamp() });
        var subscription = await app.Subscribe(Small);
        var customer = subscription.CustomerId;
        await app.Billing.RecordCustomerDetailsAsync(new() { CustomerId = customer, Details = new() { Name = "Muster AG", Lines = { "Ring 1" }, PostalCode = "20095", City = "Hamburg", Country = "DE" } });
        await app.Billing.SetCustomerTaxAsync(new() { CustomerId = customer, Tax = new() { Country = "DE", Status = "business" } });
        var january = Billing.Invoices.InvoiceIds.Of(subscription.CurrentPeriod.PeriodId);
        Assert.Equal("language_unknown", (await Refused(Ask(january, "xx"))).Reason);
        await app.Advance(Feb1.AddHours(1));
        var refused = await Assert.ThrowsAsync<RpcException>(() => Ask(january, "").ResponseAsync);
        Assert.Contains("BT-40", refused.Status.Detail, StringComparison.Ordinal);
        // Said now, it is on the next invoice; the one that is final stays what it is.
        var described = await app.Agreements.DescribeSellerAsync(new() { Name = "Tokenwerke GmbH", AddressLines = { "Torstr. 1", "10119 Berlin" }, TaxId = "DE123456789", PaymentTermsDays = 14, Country = "DE" });
        Assert.Equal("DE", described.Country);
        await app.Billing.CancelSubscriptionAsync(new() { SubscriptionId = subscription.SubscriptionId, When = EffectiveWhen.PeriodEnd });
        await app.Advance(Mar1.AddHours(1));
        Assert.Equal("e_invoice_incomplete", (await Refused(Ask(january, ""))).Reason);
        var invoice = (await app.FinalInvoices()).Single(i => i.Period.Number == 1);

        var file = await Ask(invoice.InvoiceId, "de");
        Assert.Equal(($"{invoice.Number}.xml", "application/xml"), (file.FileName, file.ContentType));
        var xml = XDocument.Parse(file.Content.ToStringUtf8());
        Assert.Equal(["23.80"], xml.Descendants().Where(e => e.Name.LocalName == "PayableAmount").Select(e => e.Value));
        Assert.Equal(["Tokenwerke GmbH", "Muster AG"], xml.Descendants().Where(e => e.Name.LocalName == "RegistrationName").Select(e => e.Value));
        var html = await app.Invoicing.GetInvoiceDocumentAsync(new() { InvoiceId = invoice.InvoiceId, Form = DocumentForm.Html, Language = "de" });
        Assert.Contains("Rechnungsdatum", html.Content.ToStringUtf8(), StringComparison.Ordinal);
        Assert.Equal(file.DocumentSha256, html.DocumentSha256);

        var note = await app.Invoicing.IssueCreditNoteAsync(new() { InvoiceId = invoice.InvoiceId, AmountMicros = 11_900_000, Reason = "outage" });
        var credited = XDocument.Parse((await app.Invoicing.GetInvoiceDocumentAsync(new() { CreditNoteId = note.CreditNoteId, Form = DocumentForm.Ubl })).Content.ToStringUtf8());
        Assert.Equal("CreditNote", credited.Root!.Name.LocalName);
        Assert.All(await app.Replay(), r => Assert.True(r.Identical, r.Difference));

        await app.Billing.EraseCustomerAsync(new() { CustomerId = customer });
        Assert.Contains("BT-44", (await Assert.ThrowsAsync<RpcException>(() => Ask(invoice.InvoiceId, "").ResponseAsync)).Status.Detail, StringComparison.Ordinal);

        AsyncUnaryCall<DocumentFile> Ask(string id, string language) => app.Invoicing.GetInvoiceDocumentAsync(new() { InvoiceId = id, Form = DocumentForm.Ubl, Language = language });
    }

    /// <summary>It was liable once, and its customers have tax identities as they are imported.</summary>
    [Fact]
    public async Task A_seller_that_is_not_subject_to_VAT_charges_none_whatever_its_table_and_the_customer_say()
    {
        await using var app = await BillingApp.StartAsync(new() { ["Billing:DuePollSeconds"] = "3600" });
        await app.Agreements.SetTaxRateAsync(new() { Jurisdiction = "DE", Name = "VAT", Percent = "19", From = Jan1.AddYears(-5).ToTimestamp() });
        await app.Agreements.DescribeSellerAsync(new() { Name = "Tokenwerke GmbH", AddressLines = { "Torstr. 1" }, TaxId = "30/123/45678", PaymentTermsDays = 14, Country = "DE", NotSubjectToVat = true });
        foreach (var country in new[] { "DE", "US" })
        {
            var subscription = await app.Subscribe(Small, country);
            await app.Billing.RecordCustomerDetailsAsync(new() { CustomerId = subscription.CustomerId, Details = new() { Name = "Muster AG", Lines = { "Ring 1" }, PostalCode = "20095", City = "Hamburg", Country = country } });
            await app.Billing.SetCustomerTaxAsync(new() { CustomerId = subscription.CustomerId, Tax = new() { Country = country, Status = "business" } });
        }
        await app.Advance(Feb1.AddHours(1));
        var invoices = await app.FinalInvoices();
        Assert.Equal(2, invoices.Count());
        foreach (var invoice in invoices)
        {
            var xml = XDocument.Parse((await app.Invoicing.GetInvoiceDocumentAsync(new() { InvoiceId = invoice.InvoiceId, Form = DocumentForm.Ubl })).Content.ToStringUtf8());
            Assert.Equal(["20.00"], xml.Descendants().Where(e => e.Name.LocalName == "PayableAmount").Select(e => e.Value));
            Assert.Equal(["Not subject to VAT"], xml.Descendants().Where(e => e.Name.LocalName == "TaxExemptionReason").Select(e => e.Value));
            Assert.Contains("Not subject to VAT", (await app.Invoicing.GetInvoiceDocumentAsync(new() { InvoiceId = invoice.InvoiceId, Form = DocumentForm.Html })).Content.ToStringUtf8(), StringComparison.Ordinal);
        }
        Assert.All(await app.Replay(), r => Assert.True(r.Identical, r.Difference));
    }
}
