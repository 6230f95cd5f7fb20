using System.Security.Cryptography;
using Contracts.Billing.V1;
using Google.Protobuf.WellKnownTypes;
using Grpc.Core;
using static Billing.Host.Tests.BillingApp;

namespace Billing.Host.Tests;

/// <summary>One host for all: every test has a customer of its own.</summary>
public sealed class When_an_invoice_is_settled(When_an_invoice_is_settled.Month month) : IClassFixture<When_an_invoice_is_settled.Month>
{
    private static readonly string[] Names = ["paid", "voided", "credited", "overdue", "shown", "prepaid", "twice"];

    /// <summary>January of seven customers, taxed at 19 %, 12.50 before tax each; final.</summary>
    public sealed class Month : IAsyncLifetime
    {
        private readonly Dictionary<string, Subscription> _subscriptions = [];
        public BillingApp App { get; private set; } = null!;

        public async Task InitializeAsync()
        {
            App = await BillingApp.StartAsync();
            await App.Agreements.DescribeSellerAsync(new() { Name = "Tokenwerke GmbH", AddressLines = { "Torstr. 1", "10119 Berlin" }, TaxId = "DE123456789", PaymentTermsDays = 14 });
            await App.Agreements.SetTaxRateAsync(new() { Jurisdiction = "DE", Name = "VAT", Percent = "19", From = Jan1.AddYears(-5).ToTimestamp() });
            foreach (var (name, i) in Names.Select((n, i) => (n, i)))
            {
                var subscription = _subscriptions[name] = await App.Subscribe(Metered, name);
                await App.Agreements.SetTaxTreatmentAsync(new() { CustomerId = subscription.CustomerId, Jurisdiction = "DE", Treatment = "standard" });
                await App.Publish(App.Usage.Record(1, Jan1, Line(subscription, "output", 601_000)));
            }
            await App.Agreements.GrantMoneyCreditAsync(new() { CustomerId = Customer("prepaid"), GrantId = Ids.Derive("crd", Jan1, "1"), Name = "Welcome", AmountMicros = 20_000_000 });
            await App.Applied(1, Names.Length);
            await App.Advance(Feb1.AddHours(1));
        }

        public string Customer(string name) => _subscriptions[name].CustomerId;
        public string Period(string name) => _subscriptions[name].CurrentPeriod.PeriodId;
        public async Task<InvoiceStanding> Of(string name) => await App.Invoicing.GetInvoiceStandingAsync(new() { InvoiceId = Billing.Invoices.InvoiceIds.Of(Period(name)) });
        public async Task DisposeAsync() => await App.DisposeAsync();
    }

    private Invoicing.InvoicingClient Invoicing => month.App.Invoicing;

    private static RecordPaymentRequest Payment(InvoiceStanding invoice, string reference, long micros) =>
        new() { InvoiceId = invoice.InvoiceId, Provider = "stripe", Reference = reference, AmountMicros = micros, Currency = "USD" };

    private static async Task<string> ReasonOf<T>(AsyncUnaryCall<T> call) =>
        (await Assert.ThrowsAsync<RpcException>(() => call.ResponseAsync)).GetRpcStatus()!.GetDetail<Google.Rpc.ErrorInfo>()!.Reason;

    [Fact]
    public async Task Payments_in_parts_too_many_and_back_are_kept_by_the_providers_own_reference()
    {
        var invoice = await month.Of("paid");
        Assert.Equal((14_880_000, Feb1.AddDays(15)), (invoice.OutstandingMicros, invoice.DueAt.ToDateTimeOffset()));
        var part = await Invoicing.RecordPaymentAsync(Payment(invoice, "pi_1", 10_000_000));
        Assert.Equal((10_000_000, 4_880_000), (part.PaidMicros, part.OutstandingMicros));
        Assert.Equal(part, await Invoicing.RecordPaymentAsync(Payment(invoice, "pi_1", 10_000_000)));
        await Eventually.True(() => month.App.InvoiceNewsHeard.OfType<Contracts.Messages.InvoicePaymentRecorded>().Any(p => p.InvoiceId == invoice.InvoiceId && p.Reference == "pi_1" && p.AmountMicros == 10_000_000), "the books heard of the payment");
        Assert.Equal("payment_reference_reused", await ReasonOf(Invoicing.RecordPaymentAsync(Payment(invoice, "pi_1", 9_000_000))));
        Assert.Equal("payment_reference_reused", await ReasonOf(Invoicing.RecordPaymentAsync(Payment(await month.Of("shown"), "pi_1", 10_000_000))));
        var over = await Invoicing.RecordPaymentAsync(Payment(invoice, "pi_2", 5_000_000));
        Assert.Equal(("paid", -120_000), (over.Status, over.OutstandingMicros));
        var refund = new RecordRefundRequest { InvoiceId = invoice.InvoiceId, Provider = "stripe", Reference = "re_1", AmountMicros = 120_000, Currency = "USD" };
        Assert.Equal(("paid", 0), ((await Invoicing.RecordRefundAsync(refund)).Status, (await Invoicing.RecordRefundAsync(refund)).OutstandingMicros));
        Assert.Equal("refund_exceeds_payments", await ReasonOf(Invoicing.RecordRefundAsync(new(refund) { Reference = "re_2", AmountMicros = 99_000_000 })));
    }

    [Fact]
    public async Task B5_the_same_payment_eight_times_at_once_is_recorded_once()
    {
        var invoice = await month.Of("twice");
        var answers = await Task.WhenAll(Enumerable.Range(0, 8).Select(i => Task.Run(async () =>
            await Invoicing.RecordPaymentAsync(Payment(invoice, "pi_twice", 1_000_000), i % 2 == 0 ? null : new Metadata { { "idempotency-key", $"key {i}" } }))));
        Assert.All(answers, a => Assert.Equal(1_000_000, a.PaidMicros));
        Assert.Equal(1, await month.App.Sql<long>($"select count(*) from billing.mt_events where stream_id = '{invoice.InvoiceId}' and type = 'payment_recorded'"));
    }

    [Fact]
    public async Task A_voided_invoice_is_not_demanded_and_gives_its_credit_back()
    {
        var prepaid = await month.Of("prepaid");
        Assert.Equal(("paid", 0), (prepaid.Status, prepaid.TotalMicros));
        Assert.Equal(7_500_000, (await month.App.Agreements.GetAccountAsync(new() { CustomerId = month.Customer("prepaid") })).Credit.Single().Left);
        Assert.Equal("void", (await Invoicing.VoidInvoiceAsync(new() { InvoiceId = prepaid.InvoiceId, Reason = "wrong plan" })).Status);
        Assert.Equal(20_000_000, (await month.App.Agreements.GetAccountAsync(new() { CustomerId = month.Customer("prepaid") })).Credit.Single().Left);
        var invoice = await month.Of("voided");
        Assert.Equal("reason_missing", await ReasonOf(Invoicing.VoidInvoiceAsync(new() { InvoiceId = invoice.InvoiceId })));
        var voided = await Invoicing.VoidInvoiceAsync(new() { InvoiceId = invoice.InvoiceId, Reason = "test account" });
        Assert.Equal(("void", 0), (voided.Status, voided.OutstandingMicros));
        Assert.Equal(voided, await Invoicing.VoidInvoiceAsync(new() { InvoiceId = invoice.InvoiceId, Reason = "test account" }));
        Assert.Equal("invoice_void", await ReasonOf(Invoicing.RecordPaymentAsync(Payment(invoice, "pi_3", 1_000_000))));
    }

    [Fact]
    public async Task B2_credit_notes_two_at_once_are_numbered_without_gaps_and_never_exceed_the_invoice()
    {
        var invoice = await month.Of("credited");
        // Twelve times 1.49 of 14.88: nine fit, and what is left goes with the last one.
        var outcomes = await Task.WhenAll(Enumerable.Range(0, 12).Select(i => Task.Run(async () =>
        {
            try { return (await Invoicing.IssueCreditNoteAsync(new() { InvoiceId = invoice.InvoiceId, AmountMicros = 1_490_000, Reason = $"outage {i}" })).Number; }
            catch (RpcException e) { return e.GetRpcStatus()!.GetDetail<Google.Rpc.ErrorInfo>()!.Reason; }
        })));
        Assert.Equal(Enumerable.Range(1, 9).Select(n => $"CN-{n:D6}"), outcomes.Where(o => o.StartsWith("CN-", StringComparison.Ordinal)).Order());
        Assert.Equal(3, outcomes.Count(o => o == "credit_exceeds_invoice"));
        var request = new IssueCreditNoteRequest { InvoiceId = invoice.InvoiceId, CreditNoteId = Ids.Derive("cn", Jan1, "rest"), Reason = "the rest" };
        var rest = await Invoicing.IssueCreditNoteAsync(request);
        Assert.Equal(("CN-000010", 1_470_000), (rest.Number, rest.TotalMicros));
        Assert.Equal(rest, await Invoicing.IssueCreditNoteAsync(request));
        var after = await month.Of("credited");
        Assert.Equal(("paid", 14_880_000, 0, 10), (after.Status, after.CreditedMicros, after.OutstandingMicros, after.CreditNoteIds.Count));
        var notes = await Task.WhenAll(after.CreditNoteIds.Select(id => Invoicing.GetCreditNoteAsync(new() { CreditNoteId = id }).ResponseAsync));
        Assert.Equal((12_500_000, 2_380_000), (notes.Sum(n => n.NetMicros), notes.Sum(n => n.TaxMicros)));
        Assert.All(notes, n => Assert.Equal(n.DocumentSha256, SHA256.HashData(System.Text.Encoding.UTF8.GetBytes(n.Document))));
        var pdf = await Invoicing.GetInvoiceDocumentAsync(new() { CreditNoteId = rest.CreditNoteId, Form = DocumentForm.Pdf });
        Assert.Equal(("CN-000010.pdf", "%PDF"), (pdf.FileName, pdf.Content.ToStringUtf8()[..4]));
    }

    [Fact]
    public async Task An_invoice_is_had_as_JSON_HTML_and_PDF_under_one_hash()
    {
        var invoice = await month.Of("shown");
        var json = await Invoicing.GetInvoiceDocumentAsync(new() { InvoiceId = invoice.InvoiceId });
        var html = await Invoicing.GetInvoiceDocumentAsync(new() { InvoiceId = invoice.InvoiceId, Form = DocumentForm.Html });
        var pdf = await Invoicing.GetInvoiceDocumentAsync(new() { InvoiceId = invoice.InvoiceId, Form = DocumentForm.Pdf });
        Assert.Equal(SHA256.HashData(json.Content.Span), json.DocumentSha256);
        Assert.Equal((json.DocumentSha256, json.DocumentSha256), (html.DocumentSha256, pdf.DocumentSha256));
        Assert.Contains(Convert.ToHexStringLower(json.DocumentSha256.Span), html.Content.ToStringUtf8(), StringComparison.Ordinal);
        using var read = UglyToad.PdfPig.PdfDocument.Open(pdf.Content.ToByteArray());
        Assert.Contains(invoice.Number, string.Join(' ', read.GetPage(1).GetWords().Select(w => w.Text)), StringComparison.Ordinal);
    }

    [Fact]
    public async Task What_is_not_paid_by_its_day_is_overdue_on_the_business_clock_and_replay_still_gives_the_same_bytes()
    {
        await month.App.Advance(Feb1.AddDays(15).AddHours(1));
        var overdue = await month.Of("overdue");
        Assert.Equal(("overdue", 14_880_000), (overdue.Status, overdue.OutstandingMicros));
        await Eventually.True(() => month.App.InvoiceNewsHeard.OfType<Contracts.Messages.InvoiceFellOverdue>().Any(o => o.InvoiceId == overdue.InvoiceId && o.OutstandingMicros == 14_880_000 && o.DueAt == Feb1.AddDays(15)), "whoever reminds customers heard of it");
        Assert.Contains(overdue, (await Invoicing.ListInvoiceStandingsAsync(new() { Status = "overdue" })).Invoices);
        Assert.Equal("paid", (await Invoicing.RecordPaymentAsync(Payment(overdue, "pi_late", 14_880_000))).Status);
        // Later terms change nothing that was.
        await month.App.Agreements.SetTaxRateAsync(new() { Jurisdiction = "DE", Name = "VAT", Percent = "25", From = Jan1.ToTimestamp() });
        await month.App.Agreements.GrantDiscountAsync(new() { CustomerId = month.Customer("overdue"), Name = "Late", Percent = "50", From = Jan1.ToTimestamp() });
        Assert.All(await month.App.Replay(), r => Assert.True(r.Identical, r.Difference));
        Assert.Equal(Names.Length, (await month.App.Replay()).Count);
    }
}
