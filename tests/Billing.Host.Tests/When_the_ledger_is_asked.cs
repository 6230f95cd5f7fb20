using System.Text.Json;
using Contracts.Billing.V1;
using Google.Protobuf.WellKnownTypes;
using Grpc.Core;
using static Billing.Host.Tests.BillingApp;

namespace Billing.Host.Tests;

/// <summary>January of five customers, taxed at 19 %, 12.50 before tax: one paid, one was credited, one is void, one had credit that did for all of it, and one changed its plan and used nothing. The void one's customer cancelled.</summary>
public sealed class When_the_ledger_is_asked(When_the_ledger_is_asked.Month month) : IClassFixture<When_the_ledger_is_asked.Month>
{
    private static readonly string[] Names = ["paid", "credited", "void", "prepaid", "changed"];
    private readonly BillingApp _app = month.App;

    private Contracts.Billing.V1.Ledger.LedgerClient Ledger => _app.Ledger;
    private string Customer(string name) => month.Customer(name);
    private string Invoice(string name) => month.Invoice(name);
    private static DateTimeOffset Feb(int day) => Feb1.AddDays(day - 1);

    public sealed class Month : IAsyncLifetime
    {
        private readonly Dictionary<string, Subscription> _subscriptions = [];
        public BillingApp App { get; private set; } = null!;

        public string Customer(string name) => _subscriptions[name].CustomerId;
        public string Invoice(string name) => Billing.Invoices.InvoiceIds.Of(_subscriptions[name].CurrentPeriod.PeriodId);

        public async Task InitializeAsync()
        {
            App = await StartAsync();
            await App.Agreements.DescribeSellerAsync(new() { Name = "Tokenwerke GmbH", AddressLines = { "Torstr. 1", "10119 Berlin" }, TaxId = "DE123456789", PaymentTermsDays = 14 });
            await App.Agreements.SetTaxRateAsync(new() { Jurisdiction = "DE", Name = "VAT", Percent = "19", From = Jan1.AddYears(-5).ToTimestamp() });
            foreach (var name in Names)
            {
                var subscription = _subscriptions[name] = await App.Subscribe(name == "changed" ? Small : Metered, name);
                await App.Agreements.SetTaxTreatmentAsync(new() { CustomerId = subscription.CustomerId, Jurisdiction = "DE", Treatment = "standard" });
                if (name != "changed") await App.Publish(App.Usage.Record(1, Jan1, Line(subscription, "output", 601_000)));
            }
            await App.Agreements.GrantMoneyCreditAsync(new() { CustomerId = Customer("prepaid"), GrantId = Ids.Derive("crd", Jan1, "1"), Name = "Welcome", AmountMicros = 20_000_000, ExpiresAt = Feb(20).ToTimestamp() });
            await App.Advance(Jan1.AddDays(10));
            await App.Billing.ChangePlanAsync(new() { SubscriptionId = _subscriptions["changed"].SubscriptionId, PlanId = Metered, When = EffectiveWhen.Now });
            await App.Billing.CancelSubscriptionAsync(new() { SubscriptionId = _subscriptions["void"].SubscriptionId, When = EffectiveWhen.PeriodEnd });
            await App.Applied(1, Names.Length - 1);
            await App.Advance(Feb1.AddHours(1));

            await App.Advance(Feb(10));
            await App.Invoicing.RecordPaymentAsync(new() { InvoiceId = Invoice("paid"), Provider = "stripe", Reference = "pi_1", AmountMicros = 15_000_000, Currency = "USD", PaidAt = Feb(5).ToTimestamp() });
            await App.Invoicing.RecordRefundAsync(new() { InvoiceId = Invoice("paid"), Provider = "stripe", Reference = "re_1", AmountMicros = 20_000, Currency = "USD" });
            await App.Invoicing.IssueCreditNoteAsync(new() { InvoiceId = Invoice("credited"), AmountMicros = 1_190_000, Reason = "outage" });
            await App.Advance(Feb(12));
            await App.Invoicing.VoidInvoiceAsync(new() { InvoiceId = Invoice("void"), Reason = "test account" });
        }

        public async Task DisposeAsync() => await App.DisposeAsync();
    }

    private async Task<Dictionary<string, long>> Balance(DateTimeOffset? before = null, string customer = "", HistoryPoint? known = null)
    {
        var answer = await Ledger.GetTrialBalanceAsync(new() { AsOf = before?.ToTimestamp(), CustomerId = customer, Known = known });
        Assert.Equal(0, answer.Balances.Sum(b => b.BalanceMicros));
        return answer.Balances.ToDictionary(b => b.Account.Code, b => b.BalanceMicros);
    }

    private async Task<List<JournalEntry>> Journal(ListJournalEntriesRequest request) => await Ledger.ListEntries(request).ResponseStream.ReadAllAsync().ToListAsync();

    private static (StatusCode, string) Why(RpcException e) => (e.StatusCode, e.GetRpcStatus()!.GetDetail<Google.Rpc.ErrorInfo>()!.Reason);

    [Fact]
    public async Task Receivables_are_what_the_standings_say_is_outstanding_invoice_by_invoice()
    {
        var standings = (await _app.Invoicing.ListInvoiceStandingsAsync(new())).Invoices;
        var positions = await Ledger.ListPositions(new() { WithSettled = true }).ResponseStream.ReadAllAsync().ToListAsync();
        Assert.Equal(standings.Select(s => (s.InvoiceId, s.OutstandingMicros)), positions.Select(p => (p.InvoiceId, p.ReceivableMicros)));
        var balance = await Balance();
        Assert.Equal(standings.Sum(s => s.OutstandingMicros), balance["1100"]);
        Assert.Equal(14_980_000, balance["1000"]);
        Assert.Equal(-(await _app.Agreements.GetAccountAsync(new() { CustomerId = Customer("prepaid") })).Credit.Single().Left, balance["2000"]);
        // Settled: void, and paid by credit alone.
        Assert.Equal(standings.Where(s => s.OutstandingMicros != 0).Select(s => s.InvoiceId), await Ledger.ListPositions(new()).ResponseStream.ReadAllAsync().Select(p => p.InvoiceId).ToListAsync());
    }

    [Fact]
    public async Task Deferred_and_unbilled_revenue_are_known_on_every_date()
    {
        // Half of January of four customers at 12.50; the fifth had Small for 10 of 31 days, 6.45, and Metered for 21, 3.39.
        var half = await Balance(Jan1.AddDays(15.5));
        Assert.Equal(4 * 6_250_000 + 6_450_000 + 3_390_000 * 55 / 210, half["1200"]);
        var closed = await Balance(Feb1);
        Assert.Equal((4 * 12_500_000 + 9_840_000, -4 * 5_000_000 - 9_840_000, -4 * 7_500_000), (closed["1200"], closed["4000"], closed["4100"]));
        // An hour later everything is invoiced; the next periods are not, and who cancelled has none.
        var invoiced = await Ledger.GetTrialBalanceAsync(new() { AsOf = Feb(2).ToTimestamp() });
        Assert.DoesNotContain(invoiced.Balances, b => b.Account.Code is "1200" or "2100" && b.BalanceMicros != 0);
        Assert.Equal(Names.Length - 1, invoiced.PeriodsToInvoice);
        Assert.Equal(0, (await Ledger.GetTrialBalanceAsync(new() { AsOf = Feb1.ToTimestamp() })).PeriodsToInvoice);
        // Credit that nobody used by its expiry is released by that date alone.
        Assert.Equal((-7_500_000, 0, -7_500_000), ((await Balance(Feb(19)))["2000"], (await Balance(Feb(21)))["2000"], (await Balance(Feb(21)))["4910"]));
    }

    [Fact]
    public async Task The_journal_of_a_month_takes_the_balance_before_it_to_the_one_after_it()
    {
        var february = await Journal(new() { From = Feb1.ToTimestamp(), To = Mar1.ToTimestamp() });
        Assert.All(february, e => Assert.Equal(e.Lines.Sum(l => l.DebitMicros), e.Lines.Sum(l => l.CreditMicros)));
        Assert.Equal(february.Select(e => e.At), february.Select(e => e.At).Order());
        var (before, after) = (await Balance(Feb1), await Balance(Mar1));
        foreach (var line in february.SelectMany(e => e.Lines)) before[line.Account.Code] = before.GetValueOrDefault(line.Account.Code) + line.DebitMicros - line.CreditMicros;
        Assert.Equal(after.OrderBy(b => b.Key), before.OrderBy(b => b.Key));

        Assert.Equal(["revenue_recognized", "invoice_finalized", "credit_drawn"], (await Journal(new() { InvoiceId = Invoice("prepaid") })).Select(e => e.Kind));
        Assert.Equal(["revenue_recognized", "invoice_finalized", "payment_recorded", "refund_recorded"], (await Journal(new() { CustomerId = Customer("paid") })).Select(e => e.Kind));
        Assert.Equal([Customer("paid")], (await Journal(new() { Account = "1000" })).Select(e => e.CustomerId).Distinct());
        Assert.Contains("VAT 19 % (DE)", (await Journal(new() { InvoiceId = Invoice("credited"), Account = "2200" })).SelectMany(e => e.Lines).Select(l => l.Text));
    }

    [Fact]
    public async Task The_books_as_they_were_known_are_shown_again()
    {
        // The payment of the 5th was heard of on the 10th, and the void invoice stood until the 12th.
        var (then, now) = (await Balance(Feb(8), known: new() { Time = Feb(8).ToTimestamp() }), await Balance(Feb(8)));
        Assert.Equal((false, 15_000_000), (then.ContainsKey("1000"), now["1000"]));
        Assert.Equal(now["1100"] + 15_000_000, then["1100"]);
        var payment = (await Journal(new() { CustomerId = Customer("paid"), Account = "1000" }))[0];
        Assert.Equal((Feb(5), Feb(10)), (payment.At.ToDateTimeOffset(), payment.PostedAt.ToDateTimeOffset()));
        Assert.Equal(15_000_000, (await Balance(known: new() { Sequence = payment.Sequence }))["1000"]);
        Assert.False((await Balance(known: new() { Sequence = payment.Sequence - 1 })).ContainsKey("1000"));
    }

    public static TheoryData<string> ReadOfOneCustomer() => [.. typeof(LedgerQueries).GetProperties().Where(q => q.PropertyType == typeof(string)).Select(q => q.Name)];

    /// <summary>A customer's key asks for a statement, and a page of finance for the ledger of one customer: each read every event of all of them.</summary>
    [Theory, MemberData(nameof(ReadOfOneCustomer))]
    public async Task Of_one_customer_no_other_customers_events_are_read(string query)
    {
        var sql = (string)typeof(LedgerQueries).GetProperty(query)!.GetValue(LedgerQueries.OfCustomer)!;
        foreach (var (parameter, value) in new[] { ("$1", $"'{Customer("paid")}'"), ("$2", "now()"), ("$3", "null"), ("$4", "null") }) sql = sql.Replace(parameter, value, StringComparison.Ordinal);
        using var plan = JsonDocument.Parse(await _app.Sql<string>($"set enable_seqscan = off; explain (format json) {sql}"));
        var scans = Nodes(plan.RootElement[0].GetProperty("Plan")).Where(n => Text(n, "Relation Name").StartsWith("mt_", StringComparison.Ordinal) || Text(n, "Index Name").Length > 0).ToList();
        Assert.NotEmpty(scans);
        // Where there is an index that leads there PostgreSQL takes it; without one it reads the table, or the whole of an index.
        Assert.All(scans, n => Assert.True(n.TryGetProperty("Index Cond", out _) || Text(n, "Node Type") == "Bitmap Heap Scan", n.GetRawText()));

        static IEnumerable<JsonElement> Nodes(JsonElement node) => node.TryGetProperty("Plans", out var under) ? under.EnumerateArray().SelectMany(Nodes).Prepend(node) : [node];
        static string Text(JsonElement node, string name) => node.TryGetProperty(name, out var value) ? value.GetString()! : "";
    }

    [Fact]
    public async Task The_ledgers_of_all_customers_are_the_ledger()
    {
        var (all, customers) = (await Journal(new()), Names.Select(Customer).ToArray());
        foreach (var customer in customers) Assert.Equal(all.Where(e => e.CustomerId == customer), await Journal(new() { CustomerId = customer }));
        Assert.Equal(all.Count, all.Count(e => customers.Contains(e.CustomerId)));
        await _app.CaughtUp();
        foreach (var asOf in new[] { Jan1.AddDays(1), Feb1, Feb(2), Feb(12) })
            foreach (var known in new HistoryPoint?[] { null, new() { Time = Jan1.AddDays(12).ToTimestamp() }, new() { Sequence = all[^1].Sequence } })
            {
                var whole = await Ledger.GetTrialBalanceAsync(new() { AsOf = asOf.ToTimestamp(), Known = known });
                var parts = await Task.WhenAll(customers.Select(c => Ledger.GetTrialBalanceAsync(new() { AsOf = asOf.ToTimestamp(), CustomerId = c, Known = known }).ResponseAsync));
                Assert.Equal(whole.PeriodsToInvoice, parts.Sum(p => p.PeriodsToInvoice));
                Assert.Equal(
                    whole.Balances.Select(b => (b.Account.Code, b.BalanceMicros)),
                    parts.SelectMany(p => p.Balances).GroupBy(b => b.Account.Code).Select(g => (g.Key, g.Sum(b => b.BalanceMicros))).OrderBy(b => b.Key, StringComparer.Ordinal));
            }
    }

    [Fact]
    public async Task What_cannot_be_answered_says_why()
    {
        async Task<(StatusCode, string)> Refused(ListJournalEntriesRequest request) => Why(await Assert.ThrowsAsync<RpcException>(() => Journal(request)));
        Assert.Equal((StatusCode.NotFound, "customer_unknown"), await Refused(new() { CustomerId = Ids.Derive(Ids.Customer, Jan1, "nobody") }));
        Assert.Equal((StatusCode.NotFound, "invoice_unknown"), await Refused(new() { InvoiceId = Ids.Derive(Ids.Invoice, Jan1, "nothing") }));
        Assert.Equal((StatusCode.InvalidArgument, "ledger_account_unknown"), await Refused(new() { Account = "9999" }));
        Assert.Equal(StatusCode.InvalidArgument, (await Assert.ThrowsAsync<RpcException>(() => Journal(new() { From = Feb1.ToTimestamp(), To = Jan1.ToTimestamp() }))).StatusCode);
        Task Alter(string from, string to) =>
            _app.Sql<object>($"""update billing.mt_doc_storedinvoice set data = jsonb_set(data, array['document'], to_jsonb(replace(data ->> 'document', '{from}', '{to}'))) where id = '{Invoice("paid")}'""");
        await Alter("7500000", "7510000");
        Assert.Equal((StatusCode.FailedPrecondition, "document_differs"), await Refused(new()));
        Assert.NotEmpty(await Journal(new() { CustomerId = Customer("credited") }));
        await Alter("7510000", "7500000");
    }
}
