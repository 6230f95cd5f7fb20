using System.Text.Json;
using Verifier;
using Contracts.Billing.V1;
using Google.Protobuf.WellKnownTypes;
using Grpc.Core;
using static Billing.Host.Tests.BillingApp;
using HistoryPoint = Contracts.Billing.V1.HistoryPoint;

namespace Billing.Host.Tests;

/// <summary>One host for all: what a test alters it puts back.</summary>
public sealed class When_history_is_asked(When_history_is_asked.Books books) : IClassFixture<When_history_is_asked.Books>
{
    /// <summary>Two months of two customers, taxed at 19 %: one has usage that came late and credit notes, one has prepaid credit.</summary>
    public sealed class Books : IAsyncLifetime
    {
        public BillingApp App { get; private set; } = null!;
        public Subscription One { get; private set; } = null!;
        public Subscription Two { get; private set; } = null!;
        public Invoice January { get; private set; } = null!;

        public async Task InitializeAsync()
        {
            App = await BillingApp.StartAsync();
            await App.Agreements.DescribeSellerAsync(new() { Name = "Tokenwerke GmbH", AddressLines = { "Torstr. 1" }, TaxId = "DE1", PaymentTermsDays = 14 });
            await App.Agreements.SetTaxRateAsync(new() { Jurisdiction = "DE", Name = "VAT", Percent = "19", From = Jan1.AddYears(-5).ToTimestamp() });
            (One, Two) = (await App.Subscribe(Metered, "one"), await App.Subscribe(Metered, "two"));
            foreach (var customer in new[] { One.CustomerId, Two.CustomerId })
                await App.Agreements.SetTaxTreatmentAsync(new() { CustomerId = customer, Jurisdiction = "DE", Treatment = "standard" });
            await App.Agreements.GrantMoneyCreditAsync(new() { CustomerId = Two.CustomerId, GrantId = Ids.Derive("crd", Jan1, "1"), Name = "Welcome", AmountMicros = 20_000_000 });
            await App.Publish(App.Usage.Record(1, Jan1, Line(One, "output", 1_000), Line(Two, "output", 601_000), Line(Two, "overrun", 3)));
            await App.Applied(1, 1);
            await App.Advance(Jan1.AddDays(10));
            await App.Publish(App.Usage.Record(1, Jan1.AddDays(10), Line(One, "output", 600_000)));
            await App.Applied(1, 2);
            await App.Advance(Feb1.AddHours(1));
            January = await App.InvoiceOf(One.CurrentPeriod.PeriodId);
            await App.Invoicing.IssueCreditNoteAsync(new() { InvoiceId = January.InvoiceId, AmountMicros = 1_190_000, Reason = "outage" });
            await App.Invoicing.IssueCreditNoteAsync(new() { InvoiceId = January.InvoiceId, Reason = "goodwill" });
            await App.Publish(App.Usage.Record(1, Feb1.AddHours(2), Line(One, "output", 80_000), Line(One, "input", 7, next: true)));
            await App.Applied(1, 3);
            await App.Advance(Mar1.AddHours(1));
            await App.CaughtUp();
        }

        public async Task DisposeAsync() => await App.DisposeAsync();
    }

    private BillingApp App => books.App;

    private static HistoryPoint At(DateTimeOffset time) => new() { Time = time.ToTimestamp() };

    private async Task<JsonElement> Known(string id, HistoryPoint? at = null) => JsonSerializer.Deserialize<JsonElement>((await App.Audit.AsOfAsync(new() { Id = id, At = at })).Json);

    private static long Net(JsonElement invoice) => invoice.GetProperty("document").GetProperty("netMicros").GetInt64();

    private async Task<(List<ReconcileDifference> Differences, ReconcileSummary Summary)> Reconcile(bool withoutRows = false)
    {
        var parts = await App.Audit.Reconcile(new() { WithoutRows = withoutRows }).ResponseStream.ReadAllAsync().ToListAsync();
        return ([.. parts.Where(p => p.Difference is not null).Select(p => p.Difference)], parts[^1].Summary);
    }

    private async Task<List<WouldBeInvoice>> WhatIf(WhatIfRequest request) => await App.Audit.WhatIf(request).ResponseStream.ReadAllAsync().ToListAsync();

    [Fact]
    public async Task Credit_notes_and_drawn_credit_are_replayed_and_a_document_that_was_altered_is_named()
    {
        var replayed = await App.Replay();
        Assert.All(replayed, r => Assert.True(r.Identical, r.Difference));
        Assert.Equal((4, 2), (replayed.Count, replayed.Sum(r => r.CreditNoteCount)));
        var export = await App.Audit.Export(new()).ResponseStream.ReadAllAsync().Select(l => l.Json).ToListAsync();
        Assert.Empty(VerifyExport.Check(export));
        Assert.Equal(2, export.Count(l => l.StartsWith("""{"kind":"credit_note",""", StringComparison.Ordinal)));

        var id = await App.Sql<string>("update billing.mt_doc_storedcreditnote set data = jsonb_set(data, '{document}', to_jsonb(replace(data ->> 'document', 'outage', 'outing'))) where data ->> 'number' = 'CN-000001' returning id");
        var different = Assert.Single(await App.Replay(), r => !r.Identical);
        Assert.StartsWith($"credit note CN-000001 ({id}): /reason is \"outing\" stored and \"outage\" replayed", different.Difference, StringComparison.Ordinal);
        var forged = await App.Audit.Export(new()).ResponseStream.ReadAllAsync().Select(l => l.Json).ToListAsync();
        Assert.Contains(VerifyExport.Check(forged), f => f.Finding == "the document of CN-000001 is not the one that was issued");
        await App.Sql<string>("update billing.mt_doc_storedcreditnote set data = jsonb_set(data, '{document}', to_jsonb(replace(data ->> 'document', 'outing', 'outage'))) returning id");

        await App.Sql<long>("update billing.mt_events set data = jsonb_set(data, '{draws,0,amountMicros}', '1') where type = 'credit_drawn' and version = (select min(version) from billing.mt_events where type = 'credit_drawn') returning seq_id");
        Assert.Contains("the credit that it drew is", (await App.Replay()).First(r => !r.Identical).Difference, StringComparison.Ordinal);
        await App.Sql<long>("update billing.mt_events set data = jsonb_set(data, '{draws,0,amountMicros}', '12500000') where type = 'credit_drawn' and version = (select min(version) from billing.mt_events where type = 'credit_drawn') returning seq_id");
        Assert.All(await App.Replay(), r => Assert.True(r.Identical, r.Difference));
    }

    [Fact]
    public async Task An_invoice_is_shown_as_it_was_known_then()
    {
        var period = books.One.CurrentPeriod.PeriodId;
        Assert.Equal((5_000_000, 12_500_000), (Net(await Known(period, At(Jan1.AddDays(5)))), Net(await Known(period, At(Jan1.AddDays(11))))));
        Assert.Equal("draft", (await Known(period, At(Jan1.AddDays(11)))).GetProperty("status").GetString());
        var final = await Known(books.January.InvoiceId);
        Assert.Equal(("paid", 14_880_000), (final.GetProperty("status").GetString(), final.GetProperty("creditedMicros").GetInt64()));
        Assert.Equal(books.January.Document, final.GetProperty("document").GetRawText());
        var first = await App.Sql<long>($"select seq_id from billing.mt_events where stream_id = '{period}' and type = 'usage_applied' and version = 2");
        Assert.Equal(5_000_000, Net(await Known(period, new() { Sequence = first })));
        Assert.Equal(0, (await Known(books.One.SubscriptionId, At(Jan1.AddDays(5)))).GetProperty("currentPeriod").GetInt32());
        Assert.Equal(2, (await Known(books.One.SubscriptionId)).GetProperty("currentPeriod").GetInt32());
        var account = (await Known(books.Two.CustomerId, At(Jan1.AddDays(5)))).GetProperty("account");
        Assert.Equal(20_000_000, account.GetProperty("credit")[0].GetProperty("left").GetInt64());
        var unknown = await Assert.ThrowsAsync<RpcException>(() => Known(period, At(Jan1.AddDays(-1))));
        Assert.Equal(StatusCode.NotFound, unknown.StatusCode);
    }

    [Fact]
    public async Task What_changed_between_two_points_is_told_with_the_events_that_changed_it()
    {
        var parts = await App.Audit.Diff(new() { Id = books.One.CurrentPeriod.PeriodId, From = At(Jan1.AddDays(5)), To = At(Jan1.AddDays(11)) }).ResponseStream.ReadAllAsync().ToListAsync();
        Assert.Contains(parts, p => p.Change is { Path: "/document/netMicros", Before: "5000000", After: "12500000" });
        var event_ = Assert.Single(parts, p => p.Event is not null).Event;
        Assert.Equal(("usage_applied", 3, Jan1.AddDays(10)), (event_.Type, event_.Version, event_.At.ToDateTimeOffset()));
        var account = await App.Audit.Diff(new() { Id = books.Two.CustomerId, From = At(Jan1.AddDays(5)), To = At(Feb1.AddDays(5)) }).ResponseStream.ReadAllAsync().ToListAsync();
        Assert.Contains(account, p => p.Change is { Path: "/account/credit/0/left", Before: "20000000", After: "7500000" });
        Assert.Contains(account, p => p.Event?.Type == "credit_drawn");
        await Assert.ThrowsAsync<RpcException>(() => App.Audit.Diff(new() { Id = books.Two.CustomerId, From = At(Feb1.AddDays(5)), To = At(Jan1) }).ResponseStream.ReadAllAsync().ToListAsync().AsTask());
    }

    [Fact]
    public async Task What_became_of_a_draft_is_told_with_what_it_was_cut_by()
    {
        var parts = await App.Audit.Diff(new() { Id = books.January.InvoiceId, From = At(Jan1.AddDays(11)) }).ResponseStream.ReadAllAsync().ToListAsync();
        Assert.Contains(parts, p => p.Change is { Path: "/status", Before: "\"draft\"", After: "\"paid\"" });
        Assert.Contains(parts, p => p.Event?.Type == "invoice_finalized");
        // The credit that it drew came to the account with it: what it was made from is what was there before.
        var drawn = await App.Audit.Diff(new() { Id = (await App.InvoiceOf(books.Two.CurrentPeriod.PeriodId)).InvoiceId, From = At(Jan1.AddDays(11)) }).ResponseStream.ReadAllAsync().ToListAsync();
        Assert.Contains(drawn, p => p.Event?.Type == "invoice_finalized");
        Assert.DoesNotContain(drawn, p => p.Event?.Type == "credit_drawn");
        var backwards = await Assert.ThrowsAsync<RpcException>(() => App.Audit.Diff(new() { Id = books.January.InvoiceId, From = At(Feb1.AddDays(5)), To = At(Jan1.AddDays(11)) }).ResponseStream.ReadAllAsync().ToListAsync().AsTask());
        Assert.Contains("from comes first", backwards.Status.Detail, StringComparison.Ordinal);
    }

    /// <summary>An invoice is taxed by what its customer said of itself, too.</summary>
    [Fact]
    public async Task A_draft_is_folded_from_the_account_the_seller_and_the_customer()
    {
        var draft = await App.Audit.AsOfAsync(new() { Id = books.One.CurrentPeriod.PeriodId, At = At(Jan1.AddDays(11)) });
        string[] streams = ["acct", "cus", "inv", "per", "seller"];
        Assert.Equal(streams, draft.Versions.Select(v => v.Stream.Split('_')[0]).Order(StringComparer.Ordinal));
        Assert.All(draft.Versions, v => Assert.Equal(v.Stream.StartsWith("inv_", StringComparison.Ordinal) ? 0 : 1, Math.Min(v.Version, 1)));
    }

    [Fact]
    public async Task Every_token_is_followed_from_usage_to_the_invoices_and_one_that_is_lost_is_named()
    {
        var (differences, summary) = await Reconcile();
        Assert.Empty(differences);
        Assert.Equal((1_282_010, 1_282_010, 1_282_010, 0), (summary.RecordedTokens, summary.AppliedTokens, summary.InvoicedTokens, summary.OpenTokens));
        Assert.Equal((6, 6, 3, 4), (summary.Rows, summary.Batches, summary.Reports, summary.Invoices));
        Assert.Equal((0, 0), (summary.ReportsWithoutRows, summary.TokensWithoutRows));
        var without = await Reconcile(withoutRows: true);
        Assert.Empty(without.Differences);
        Assert.Equal((3, 1_282_010), (without.Summary.ReportsWithoutRows, without.Summary.TokensWithoutRows));

        var period = books.One.CurrentPeriod.PeriodId;
        await App.Sql<long>($"update billing.mt_events set data = jsonb_set(data, '{{lines,0,tokens}}', '599999') where stream_id = '{period}' and version = 3 returning seq_id");
        var found = (await Reconcile()).Differences;
        Assert.Equal(["report_differs", "invoice_differs"], found.Select(d => d.Reason));
        Assert.All(found, d => Assert.Equal((period, books.One.SubscriptionId, "output"), (d.PeriodId, d.SubscriptionId, d.Kind)));
        Assert.Equal((1, 2, 600_000, 599_999), (found[0].Shard, found[0].ReportNumber, found[0].RecordedTokens, found[0].FoundTokens));
        Assert.Equal((680_999, 681_000), (found[1].RecordedTokens, found[1].FoundTokens));
        await App.Sql<long>($"update billing.mt_events set data = jsonb_set(data, '{{lines,0,tokens}}', '600000') where stream_id = '{period}' and version = 3 returning seq_id");

        // Recorded and not published: on its way, until a later one arrives before it.
        App.Usage.Record(2, Mar1, Line(books.Two, "output", 5));
        Assert.InRange((await Reconcile()).Summary.WaitingReports, 0, 1);
        await App.Applied(2, 1);
        Assert.Equal((1_282_015, 5), ((await Reconcile()).Summary.AppliedTokens, (await Reconcile()).Summary.OpenTokens));
        await App.Sql<string>("update billing.mt_doc_appliedreport set data = jsonb_set(data, '{number}', '2') where id = '2/1' returning id");
        Assert.Contains((await Reconcile()).Differences, d => d.Reason == "report_unknown" && d.Shard == 2);
    }

    [Fact]
    public async Task Past_periods_are_rated_by_other_terms_and_nothing_is_written()
    {
        var before = await App.Sql<long>("select count(*) from billing.mt_events");
        var same = await WhatIf(new());
        Assert.Equal(4, same.Count);
        Assert.All(same, i => Assert.Equal(i.IssuedMicros, i.WouldBeMicros));
        var january = new WhatIfRequest { SubscriptionId = books.One.SubscriptionId, To = Feb1.ToTimestamp() };
        var taxed = Assert.Single(await WhatIf(new(january) { TaxRates = { new TaxRateInstead { Jurisdiction = "DE", Name = "VAT", Percent = "25" } } }));
        Assert.Equal((14_880_000, 15_630_000), (taxed.IssuedMicros, taxed.WouldBeMicros));
        Assert.Equal(12_500_000, Assert.Single(await WhatIf(new(january) { RatingVersion = 1 })).WouldBeMicros);
        Assert.Equal(17_850_000, Assert.Single(await WhatIf(new(january) { Fees = { new FeeInstead { PlanId = Metered, PeriodFeeMicros = 7_500_000 } } })).WouldBeMicros);

        var (menu, flat) = (Ids.Derive(Ids.Menu, Jan1, "other"), Ids.Derive(Ids.Plan, Jan1, "flat"));
        await App.Publish(TheMenu with { MenuId = menu, Plans = [TheMenu.Plans[0] with { PlanId = flat, Name = "Flat", PeriodFeeMicros = 10_000_000 }] });
        await Eventually.True(async () => { await App.Billing.GetMenuTermsAsync(new() { MenuId = menu }); return true; }, "the other menu was received");
        var unmatched = Assert.Single(await WhatIf(new(january) { MenuId = menu }));
        Assert.StartsWith("plan_unmatched: ", unmatched.Fault, StringComparison.Ordinal);
        Assert.Contains(Metered, unmatched.Fault, StringComparison.Ordinal);
        Assert.Equal(11_900_000, Assert.Single(await WhatIf(new(january) { MenuId = menu, Plans = { new PlanInstead { PlanId = Metered, InsteadPlanId = flat } } })).WouldBeMicros);
        Assert.Equal(before + 1, await App.Sql<long>("select count(*) from billing.mt_events"));
    }
}
