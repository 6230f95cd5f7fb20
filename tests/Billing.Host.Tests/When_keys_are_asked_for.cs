using Contracts.Access.V1;
using Contracts.Billing.V1;
using Google.Protobuf;
using Grpc.Core;
using Grpc.Net.Client;
using Hosting;
using AccessKey = Hosting.AccessKey;
using static Billing.Host.Tests.BillingApp;

namespace Billing.Host.Tests;

public sealed class When_keys_are_asked_for : IAsyncLifetime
{
    private static readonly string Admin = AccessKey.NewText(), Finance = AccessKey.NewText(), Auditor = AccessKey.NewText();

    private readonly List<GrpcChannel> _channels = [];
    private BillingApp _app = null!;

    public async Task InitializeAsync()
    {
        _app = await BillingApp.PrepareAsync();
        foreach (var (name, value) in new[]
        {
            ("Access:Mode", "Keys"), ("Access:Keys:0", $"operator:admin:{AccessKey.Sha256Of(Admin)}"), ("Access:Keys:1", $"books:finance:{AccessKey.Sha256Of(Finance)}"),
            ("Access:Keys:2", $"audits:auditor:{AccessKey.Sha256Of(Auditor)}"),
        }) _app.Settings[name] = value;
        await _app.ListenAsync();
        await _app.RunAsync();
        _app.Show(Admin);
        await _app.PublishMenu();
    }

    public async Task DisposeAsync()
    {
        _channels.ForEach(c => c.Dispose());
        await _app.DisposeAsync();
    }

    private GrpcChannel With(string? key)
    {
        _channels.Add(_app.Connect(key));
        return _channels[^1];
    }

    private async Task<string> CustomersKey(string customer)
    {
        var text = AccessKey.NewText();
        await new AccessKeys.AccessKeysClient(With(Admin)).RegisterKeyAsync(new()
        {
            KeyId = Ids.New(AccessKey.Prefix, Jan1), Name = customer, Scopes = { "customer" }, CustomerId = customer, Sha256 = ByteString.CopyFrom(Convert.FromHexString(AccessKey.Sha256Of(text))),
        }, new Metadata { { "reason", "an account page" } });
        return text;
    }

    private static (StatusCode, string) Why(RpcException e) => (e.StatusCode, e.GetRpcStatus()!.GetDetail<Google.Rpc.ErrorInfo>()!.Reason);

    [Fact]
    public void Every_method_says_whose_key_it_needs() => Assert.Empty(_app.WithoutScope());

    [Fact]
    public async Task Finance_changes_what_auditors_only_read()
    {
        Assert.Equal((StatusCode.Unauthenticated, "key_missing"), Why(await Assert.ThrowsAsync<RpcException>(async () => await new Contracts.Billing.V1.Billing.BillingClient(With(null)).ListCustomersAsync(new()))));
        var (finance, auditor) = (new Contracts.Billing.V1.Billing.BillingClient(With(Finance)), new Contracts.Billing.V1.Billing.BillingClient(With(Auditor)));
        var customer = await finance.CreateCustomerAsync(new() { Currency = "USD" });
        Assert.Equal(customer, await auditor.GetCustomerAsync(new() { CustomerId = customer.CustomerId }));
        Assert.Equal((StatusCode.PermissionDenied, "scope_missing"), Why(await Assert.ThrowsAsync<RpcException>(async () => await auditor.CreateCustomerAsync(new() { Currency = "USD" }))));
        Assert.Equal((StatusCode.PermissionDenied, "scope_missing"), Why(await Assert.ThrowsAsync<RpcException>(async () => await new Contracts.Billing.V1.Audit.AuditClient(With(Finance)).Replay(new()).ResponseStream.MoveNext(default))));
        await new Contracts.Billing.V1.Audit.AuditClient(With(Auditor)).Replay(new()).ResponseStream.MoveNext(default);
    }

    [Fact]
    public async Task Finance_and_auditors_read_the_ledger_and_nobody_else()
    {
        foreach (var key in new[] { Finance, Auditor }) Assert.Equal(12, (await new Contracts.Billing.V1.Ledger.LedgerClient(With(key)).ListAccountsAsync(new())).Accounts.Count);
        var his = await _app.Subscribe(Small, "acme");
        foreach (var (key, why) in new[] { (null, (StatusCode.Unauthenticated, "key_missing")), (await CustomersKey(his.CustomerId), (StatusCode.PermissionDenied, "scope_missing")) })
        {
            var ledger = new Contracts.Billing.V1.Ledger.LedgerClient(With(key));
            foreach (var ask in new Func<Task>[]
            {
                async () => await ledger.ListAccountsAsync(new()), async () => await ledger.GetTrialBalanceAsync(new() { CustomerId = his.CustomerId }),
                async () => await ledger.ListEntries(new()).ResponseStream.MoveNext(default), async () => await ledger.ListPositions(new()).ResponseStream.MoveNext(default),
            }) Assert.Equal(why, Why(await Assert.ThrowsAsync<RpcException>(ask)));
        }
    }

    [Fact]
    public async Task Who_ordered_it_is_the_key_and_the_actor_it_names_or_else_the_keys_own_name()
    {
        var finance = new Contracts.Billing.V1.Billing.BillingClient(With(Finance));
        await finance.CreateCustomerAsync(new() { Currency = "USD" });
        await finance.CreateCustomerAsync(new() { Currency = "USD" }, new Metadata { { "actor", "ada" }, { "reason", "contract 7" } });
        var key = AccessKey.Parse($"books:finance:{AccessKey.Sha256Of(Finance)}").Id;
        Assert.Equal(
            [$"books||{key}", $"ada|contract 7|{key}"],
            await _app.Sql<string[]>("select array_agg(concat_ws('|', data -> 'by' ->> 'actor', data -> 'by' ->> 'reason', data -> 'by' ->> 'key') order by seq_id) from billing.mt_events where type = 'customer_created'"));
    }

    [Fact]
    public async Task Who_ordered_a_key_and_why_is_in_the_history_that_is_sealed()
    {
        var (keys, id) = (new AccessKeys.AccessKeysClient(With(Admin)), Ids.New(AccessKey.Prefix, Jan1));
        await keys.RegisterKeyAsync(
            new() { KeyId = id, Name = "engine", Scopes = { "runtime" }, Sha256 = ByteString.CopyFrom(Convert.FromHexString(AccessKey.Sha256Of(AccessKey.NewText()))) },
            new Metadata { { "actor", "ada" }, { "reason", "a new cluster" } });
        Assert.Equal((StatusCode.InvalidArgument, "actor_missing"), Why(await Assert.ThrowsAsync<RpcException>(async () => await keys.RevokeKeyAsync(new() { KeyId = id }))));
        await keys.RevokeKeyAsync(new() { KeyId = id }, new Metadata { { "reason", "leaked" } });
        Assert.Equal(
            [$"key_registration_ordered|{id}|engine|ada|a new cluster", $"key_revocation_ordered|{id}|operator|leaked"],
            await _app.Sql<string[]>("""
                select array_agg(concat_ws('|', type, data ->> 'keyId', data ->> 'name', data -> 'by' ->> 'actor', data -> 'by' ->> 'reason') order by seq_id) from billing.mt_events where type like 'key_%'
                """));
    }

    [Fact]
    public async Task A_customer_sees_what_is_his_and_of_others_no_more_than_of_what_does_not_exist()
    {
        var (his, hers) = (await _app.Subscribe(Small, "acme"), await _app.Subscribe(Small, "other"));
        _app.Usage.Record(0, Jan1.AddDays(1), Line(his, "output", 10), Line(hers, "output", 20));
        await _app.Advance(Feb1.AddHours(2));
        await _app.CaughtUp();
        Invoice mine = await _app.InvoiceOf(his.CurrentPeriod.PeriodId), theirs = await _app.InvoiceOf(hers.CurrentPeriod.PeriodId);
        Assert.Equal((InvoiceStatus.Finalized, InvoiceStatus.Finalized), (mine.Status, theirs.Status));
        var note = await _app.Invoicing.IssueCreditNoteAsync(new() { InvoiceId = theirs.InvoiceId, Reason = "sorry" });
        var ownNote = await _app.Invoicing.IssueCreditNoteAsync(new() { InvoiceId = mine.InvoiceId, Reason = "sorry" });

        var channel = With(await CustomersKey(his.CustomerId));
        var (billing, invoicing, agreements) = (new Contracts.Billing.V1.Billing.BillingClient(channel), new Invoicing.InvoicingClient(channel), new Agreements.AgreementsClient(channel));
        string Nothing(string prefix) => Ids.Derive(prefix, Jan1, "nothing of the kind");
        var questions = new (string Own, string Others, string None, Func<string, Task> Ask)[]
        {
            (his.CustomerId, hers.CustomerId, Nothing(Ids.Customer), async id => await billing.GetCustomerAsync(new() { CustomerId = id })),
            (his.CustomerId, hers.CustomerId, Nothing(Ids.Customer), async id => await billing.ListSubscriptionsAsync(new() { CustomerId = id })),
            (his.CustomerId, hers.CustomerId, Nothing(Ids.Customer), async id => await invoicing.ListInvoiceStandingsAsync(new() { CustomerId = id })),
            (his.CustomerId, hers.CustomerId, Nothing(Ids.Customer), async id => await agreements.GetAccountAsync(new() { CustomerId = id })),
            (his.CustomerId, hers.CustomerId, Nothing(Ids.Customer), async id => await new Contracts.Billing.V1.Statements.StatementsClient(channel).GetStatementAsync(new() { CustomerId = id })),
            (his.SubscriptionId, hers.SubscriptionId, Nothing(Ids.Subscription), async id => await billing.GetSubscriptionAsync(new() { SubscriptionId = id })),
            (his.SubscriptionId, hers.SubscriptionId, Nothing(Ids.Subscription), async id => await billing.ListInvoicesAsync(new() { SubscriptionId = id })),
            (his.SubscriptionId, hers.SubscriptionId, Nothing(Ids.Subscription), async id => await billing.PreviewChangeAsync(new() { Plan = new() { SubscriptionId = id, PlanId = Metered, When = EffectiveWhen.PeriodEnd } })),
            (his.SubscriptionId, hers.SubscriptionId, Nothing(Ids.Subscription), async id => await billing.PreviewChangeAsync(new() { Pause = new() { SubscriptionId = id, When = EffectiveWhen.PeriodEnd } })),
            (his.SubscriptionId, hers.SubscriptionId, Nothing(Ids.Subscription), async id => await billing.PreviewChangeAsync(new() { Resumption = new() { SubscriptionId = id } })),
            (his.CurrentPeriod.PeriodId, hers.CurrentPeriod.PeriodId, Nothing(Ids.Period), async id => await billing.GetInvoiceAsync(new() { PeriodId = id })),
            (mine.InvoiceId, theirs.InvoiceId, Nothing(Ids.Invoice), async id => await billing.GetInvoiceAsync(new() { InvoiceId = id })),
            (mine.InvoiceId, theirs.InvoiceId, Nothing(Ids.Invoice), async id => await invoicing.GetInvoiceStandingAsync(new() { InvoiceId = id })),
            (mine.InvoiceId, theirs.InvoiceId, Nothing(Ids.Invoice), async id => await invoicing.GetInvoiceDocumentAsync(new() { InvoiceId = id })),
            (ownNote.CreditNoteId, note.CreditNoteId, Nothing("cn"), async id => await invoicing.GetCreditNoteAsync(new() { CreditNoteId = id })),
            (ownNote.CreditNoteId, note.CreditNoteId, Nothing("cn"), async id => await invoicing.GetInvoiceDocumentAsync(new() { CreditNoteId = id })),
        };
        foreach (var (own, others, none, ask) in questions)
        {
            await ask(own);
            async Task<(StatusCode, string, string)> Answer(string id)
            {
                var e = await Assert.ThrowsAsync<RpcException>(() => ask(id));
                // An invoice is asked for by its period, too, and has the id that follows from it.
                var detail = System.Text.RegularExpressions.Regex.Replace(e.Status.Detail, "[0-9a-f]{32}", "…");
                return (e.StatusCode, Why(e).Item2, detail);
            }
            var unknown = await Answer(none);
            Assert.Equal(StatusCode.NotFound, unknown.Item1);
            Assert.Equal(unknown, await Answer(others));
        }
        // Lists that name nobody are of himself.
        Assert.Equal([his.SubscriptionId], (await billing.ListSubscriptionsAsync(new())).Subscriptions.Select(s => s.SubscriptionId));
        Assert.Equal([mine.InvoiceId], (await invoicing.ListInvoiceStandingsAsync(new())).Invoices.Select(i => i.InvoiceId));
        Assert.Equal(StatusCode.InvalidArgument, (await Assert.ThrowsAsync<RpcException>(async () => await billing.ListInvoicesAsync(new()))).StatusCode);
        foreach (var denied in new Func<Task>[]
        {
            async () => await billing.ListCustomersAsync(new()), async () => await billing.CancelSubscriptionAsync(new() { SubscriptionId = his.SubscriptionId }),
            async () => await invoicing.RecordPaymentAsync(new() { InvoiceId = mine.InvoiceId }), async () => await new Contracts.Billing.V1.Audit.AuditClient(channel).Export(new()).ResponseStream.MoveNext(default),
        }) Assert.Equal((StatusCode.PermissionDenied, "scope_missing"), Why(await Assert.ThrowsAsync<RpcException>(denied)));
    }
}
