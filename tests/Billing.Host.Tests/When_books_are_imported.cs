using Contracts.Billing.V1;
using Grpc.Core;
using Hosting;
using static Billing.Host.Tests.BillingApp;

namespace Billing.Host.Tests;

public sealed class When_books_are_imported(When_books_are_imported.Export books) : IClassFixture<When_books_are_imported.Export>
{
    private static readonly string[] Views =
    [
        "customerview", "subscriptionview", "periodview", "invoicestandingview", "periodtoclose", "periodtoinvoice", "storedinvoice", "storedcreditnote", "appliedreport", "providerreference", "webhookendpointview",
    ];

    /// <summary>Of a line: its running hash.</summary>
    private static readonly int TailLength = ",\"hash\":\"\"}".Length + 64;

    /// <summary>Books with everything that can be in them, and the export of them.</summary>
    public sealed class Export : IAsyncLifetime
    {
        private readonly When_history_is_asked.Books _books = new();
        public BillingApp App => _books.App;
        public Subscription One => _books.One;
        public IReadOnlyList<string> Lines { get; private set; } = [];

        public async Task InitializeAsync()
        {
            await _books.InitializeAsync();
            await App.Billing.RecordCustomerDetailsAsync(new() { CustomerId = One.CustomerId, Details = new() { Name = "Ada Lovelace", Country = "GB" } });
            var february = await App.InvoiceOf(One.NextPeriod.PeriodId);
            await App.Invoicing.RecordPaymentAsync(new() { InvoiceId = february.InvoiceId, Provider = "bank", Reference = "7", AmountMicros = 1_000_000, Currency = "USD" });
            await App.Invoicing.RecordRefundAsync(new() { InvoiceId = february.InvoiceId, Provider = "bank", Reference = "8", AmountMicros = 1_000_000, Currency = "USD" });
            await App.Invoicing.VoidInvoiceAsync(new() { InvoiceId = (await App.InvoiceOf(_books.Two.NextPeriod.PeriodId)).InvoiceId, Reason = "test account" });
            // Late, and on no invoice yet: the import must not forget it.
            await App.Publish(App.Usage.Record(1, Mar1.AddHours(2), Line(One, "output", 1_000_000)));
            await App.Applied(1, 4);
            var endpoint = (await App.Webhooks.RegisterEndpointAsync(new() { Url = "https://example.com/billing" })).Endpoint.EndpointId;
            await App.Webhooks.DisableEndpointAsync(new() { EndpointId = endpoint });
            await App.CaughtUp();
            Lines = await Exported(App);
        }

        public Task DisposeAsync() => _books.DisposeAsync();
    }

    private static async Task<IReadOnlyList<string>> Exported(BillingApp app) => await app.Audit.Export(new()).ResponseStream.ReadAllAsync().Select(l => l.Json).ToListAsync();

    private async Task<BillingApp> Empty() => new()
    {
        Database = await Servers.CreateDatabaseAsync(BillingApp.Tables), Broker = await Servers.CreateVirtualHostAsync(), Usage = books.App.Usage, OwnsUsage = false,
        Settings = { ["Clock:Start"] = Mar1.AddHours(3).ToString("yyyy-MM-dd'T'HH:mm:ss'Z'", System.Globalization.CultureInfo.InvariantCulture) },
    };

    private static Task<ImportedBooks> Import(BillingApp app, IEnumerable<string> lines) => BooksImport.RunAsync(app.Database.ConnectionString("billing"), lines, new("ada", "moved"), default);

    [Fact]
    public async Task B4_an_import_is_the_same_books_byte_for_byte_and_life_goes_on_in_them()
    {
        await using var app = await Empty();
        var imported = await Import(app, books.Lines);
        Assert.Equal((4, 2, 1), (imported.Invoices, imported.CreditNotes, imported.CustomersWithoutDetails));
        foreach (var view in Views) Assert.Equal((view, await ContentOf(books.App, view)), (view, await ContentOf(app, view)));

        await app.ListenAsync();
        await app.RunAsync();
        // All that was imported is there as it was; after it stands that it was imported.
        var after = Content(await Exported(app)).ToHashSet();
        Assert.Superset(Content(books.Lines).ToHashSet(), after);
        Assert.Equal(
            $"{imported.Events} 0 ada: moved|{await app.Sql<long>("select max(seq_id) from billing.mt_events")}",
            await app.Sql<string>("select concat(data ->> 'events', ' ', data ->> 'unsealedEvents', ' ', data -> 'by' ->> 'actor', ': ', data -> 'by' ->> 'reason', '|', seq_id) from billing.mt_events where type = 'books_imported'"));
        var replayed = await app.Replay();
        Assert.Equal(imported.Invoices, replayed.Count);
        Assert.All(replayed, r => Assert.True(r.Identical, r.Difference));
        Assert.All(await app.VerifySeals(), s => Assert.True(s.Intact, s.Finding));
        Assert.Equal(await DocumentsOf(books.App), await DocumentsOf(app));

        // The month after: numbers go on, late usage is billed, a payment is known, and what was told before is not told again.
        var twice = await Assert.ThrowsAsync<RpcException>(async () => await app.Invoicing.RecordPaymentAsync(new()
        {
            InvoiceId = (await app.InvoiceOf(books.One.CurrentPeriod.PeriodId)).InvoiceId, Provider = "bank", Reference = "7", AmountMicros = 1_000_000, Currency = "USD",
        }));
        Assert.Contains("recorded on", twice.Status.Detail, StringComparison.Ordinal);
        await app.Advance(Apr1.AddHours(1));
        await app.CaughtUp();
        var march = (await app.FinalInvoices()).Where(i => imported.Invoices < int.Parse(i.Number[4..], System.Globalization.CultureInfo.InvariantCulture)).ToArray();
        Assert.Equal(2, march.Length);
        Assert.Contains(march.SelectMany(i => i.Lines), l => l.Kind == "adjustment" && l.Tokens == 1_000_000);
        await Eventually.True(() => app.InvoicesHeard.Count >= march.Length, "the new invoices are told");
        Assert.Equal(march.Select(i => i.Number).Order(), app.InvoicesHeard.Select(i => i.Number).Order());
        Assert.All(await app.Replay(), r => Assert.True(r.Identical, r.Difference));
        Assert.All(await app.VerifySeals(), s => Assert.True(s.Intact, s.Finding));

        // What the endpoint has taken is on no list here: whoever wants the undelivered must not be sent all of it.
        var endpoint = (await app.Webhooks.ListEndpointsAsync(new())).Endpoints.Single().EndpointId;
        ReplayEndpointRequest Undelivered(long from) => new() { EndpointId = endpoint, FromSequence = from, OnlyUndelivered = true };
        var refused = await Assert.ThrowsAsync<RpcException>(() => app.Webhooks.ReplayEndpointAsync(Undelivered(imported.Events)).ResponseAsync);
        Assert.Equal("replay_before_kept", refused.GetRpcStatus()!.GetDetail<Google.Rpc.ErrorInfo>()!.Reason);
        var last = await app.Sql<long>("select through from billing.webhook_imported");
        Assert.Contains($"from event {last + 1} on", refused.Status.Detail, StringComparison.Ordinal);
        await app.Webhooks.ReplayEndpointAsync(Undelivered(last + 1));
        var later = (await app.Webhooks.RegisterEndpointAsync(new() { Url = "https://example.com/later" })).Endpoint.EndpointId;
        await app.Webhooks.ReplayEndpointAsync(new() { EndpointId = later, FromSequence = imported.Events, OnlyUndelivered = true });
    }

    /// <summary>Not byte for byte: that it was imported is an event of its own, so the manifest counts one more and the running hashes go through it.</summary>
    [Fact]
    public async Task A_second_export_has_the_same_lines_in_their_order_and_one_event_more()
    {
        await using var app = await Empty();
        await Import(app, books.Lines);
        await using var connection = new Npgsql.NpgsqlConnection(app.Database.SuperuserConnectionString);
        await connection.OpenAsync();
        var second = Content(await ExportReader.Lines(connection, default).ToListAsync()).ToList();
        var added = Assert.Single(second, l => l.Contains("\"type\":\"books_imported\"", StringComparison.Ordinal));
        var first = Content(books.Lines).ToList();
        Assert.Equal(first.FindLastIndex(IsOfEvents) + 1, second.IndexOf(added));
        second.Remove(added);
        Assert.Equal(first, second);

        static bool IsOfEvents(string l) => l.StartsWith("""{"kind":"event""", StringComparison.Ordinal) || l.StartsWith("""{"kind":"seal""", StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("an altered byte", "export_invalid", "altered")]
    [InlineData("the last lines missing", "export_invalid", "cut off")]
    [InlineData("a line taken out", "export_invalid", "running hash")]
    [InlineData("another format", "export_invalid", "reads billing-export/3")]
    [InlineData("an older format", "export_too_old", "billing-export/1")]
    [InlineData("an event without its id", "export_invalid", "has no id")]
    [InlineData("a report of no time", "export_invalid", "cannot be read")]
    [InlineData("a seal after a report", "export_invalid", "a seal stands after a report or document")]
    [InlineData("a credit note that the manifest says nothing of", "export_invalid", "how many credit notes")]
    [InlineData("an event of a later version", "event_type_unknown", "invoice_enchanted")]
    [InlineData("no time of an invoice", "stream_corrupt", "(invoice_finalized, version 2 of ")]
    public async Task A_file_that_does_not_hold_is_refused_whole_and_leaves_nothing_behind(string fault, string reason, string told)
    {
        await using var app = await Empty();
        string[] lines = fault switch
        {
            "an altered byte" => [.. books.Lines.Select(l => l.Replace("601000", "600999", StringComparison.Ordinal))],
            "the last lines missing" => [.. books.Lines.SkipLast(2)],
            "a line taken out" => [.. books.Lines.Take(5), .. books.Lines.Skip(6)],
            "another format" => Rewritten("billing-export/3", "billing-export/7"),
            "an older format" => Pinned.Export1,
            "an event without its id" => Rewritten(Told("event", "id"), ""),
            "a seal after a report" => Rehashed(books.Lines.SelectMany(l => l == books.Lines.Last(IsSeal) ? [] : l == books.Lines.First(IsReport) ? [l, books.Lines.Last(IsSeal)] : (string[])[l])),
            "a report of no time" => Rewritten(Told("report", "recordedAt"), ",\"recordedAt\":\"soon\""),
            "a credit note that the manifest says nothing of" => Rewritten(",\"creditNotes\":2", ""),
            "no time of an invoice" => Rewritten("at\\\": \\\"2026-02-01T01:00:00+00:00\\\", \\\"number\\\": \\\"INV-000001", "at\\\": \\\"soon\\\", \\\"number\\\": \\\"INV-000001", withSeals: false),
            _ => Rewritten("\"type\":\"invoice_voided\"", "\"type\":\"invoice_enchanted\"", withSeals: false),
        };
        var refused = await Assert.ThrowsAsync<RefusedException>(() => Import(app, lines));
        Assert.Equal(reason, refused.Refusal.Code);
        Assert.Contains(told, refused.Message, StringComparison.Ordinal);
        foreach (var table in (string[])["mt_events", "mt_streams", "seal", "number_series", "usage_shard", "mt_event_progression", .. Views.Select(v => $"mt_doc_{v}")])
            Assert.Equal((table, 0), (table, await app.Sql<long>($"select count(*) from billing.{table}")));
        Assert.Equal(books.Lines.Count(l => l.StartsWith("""{"kind":"event""", StringComparison.Ordinal)), (await Import(app, books.Lines)).Events);
        Assert.Equal("store_not_empty", (await Assert.ThrowsAsync<RefusedException>(() => Import(app, books.Lines))).Refusal.Code);
    }

    [Fact]
    public async Task B4_views_made_again_from_the_events_are_what_they_were_byte_for_byte()
    {
        foreach (var export in new[] { books.Lines, Pinned.Export2 })
        {
            await using var app = await Empty();
            await Import(app, export);
            string[] rebuilt = ["customerview", "subscriptionview", "periodview", "invoicestandingview", "periodtoclose", "periodtoinvoice"];
            var before = new Dictionary<string, string>();
            foreach (var view in rebuilt)
            {
                before[view] = await app.Sql<string>(RowsOf(view));
                await app.Sql<object>($"delete from billing.mt_doc_{view}");
            }
            // Two streams at once: more than one turn for most kinds.
            await using (var store = await BillingStore.OpenAsync(app.Database.ConnectionString("billing")))
            {
                var views = await ViewRebuild.RunAsync(store, app.Database.ConnectionString("billing"), new("ada", "a fold was mended"), default, streamsAtOnce: 2);
                Assert.Equal(2, views.Customers);
            }
            Assert.Equal("ada: a fold was mended", await app.Sql<string>("select concat(data -> 'by' ->> 'actor', ': ', data -> 'by' ->> 'reason') from billing.mt_events where type = 'views_rebuilt'"));
            foreach (var view in rebuilt) Assert.Equal((view, before[view]), (view, await app.Sql<string>(RowsOf(view))));
        }

        // The revision of a view is the version of its stream, so that the next event finds it.
        static string RowsOf(string view) =>
            $"select coalesce(string_agg(concat_ws(' ', id, data, {(view.StartsWith("periodto", StringComparison.Ordinal) ? "''" : "mt_version")}, mt_dotnet_type), E'\\n' order by id), '') from billing.mt_doc_{view}";
    }

    [Fact]
    public async Task An_event_that_cannot_be_read_is_imported_as_it_is_and_its_stream_has_no_view()
    {
        // Stored so and never sealed, else the verifier would have found it altered.
        await using var written = await Empty();
        await Import(written, books.Lines);
        await written.Sql<object>("""delete from billing.seal; update billing.mt_events set data = '{"sha256": 7}' where type = 'customer_details_recorded'""");
        await using var connection = new Npgsql.NpgsqlConnection(written.Database.SuperuserConnectionString);
        await connection.OpenAsync();
        await using var app = await Empty();
        var imported = await Import(app, await ExportReader.Lines(connection, default).ToListAsync());
        Assert.StartsWith(
            await app.Sql<string>("select format('event %s (customer_details_recorded, version %s of %s) cannot be read: ', seq_id, version, stream_id) from billing.mt_events where type = 'customer_details_recorded'"),
            Assert.Single(imported.Faults), StringComparison.Ordinal);
        // Sealed from now on, and of before that nothing but the file says what they were.
        Assert.Equal((imported.Events, imported.Events), (imported.UnsealedEvents, await app.Sql<long>("select (data ->> 'unsealedEvents')::bigint from billing.mt_events where type = 'books_imported' order by seq_id desc limit 1")));
        Assert.Contains(imported.Told("a file"), t => t.Contains("events came without a seal", StringComparison.Ordinal));
        Assert.Equal("""{"sha256": 7}""", await app.Sql<string>("select data::text from billing.mt_events where type = 'customer_details_recorded'"));
        Assert.Equal((1, 4), (await app.Sql<long>("select count(*) from billing.mt_doc_customerview"), imported.Invoices));
    }

    [Theory]
    [InlineData("usage_applied", "jsonb_set(data, '{lines,0,tokens}', '\"many\"')", "read")]
    [InlineData("customer_created", "'null'", "read")]
    [InlineData("period_closed", "data - 'cut'", "read")]
    [InlineData("subscription_period_turned", "jsonb_set(data, '{number}', '77')", "folded")]
    public async Task Views_are_not_made_again_past_an_event_that_cannot_be_read_or_folded(string type, string data, string told)
    {
        await using var app = await Empty();
        await Import(app, books.Lines);
        await app.Sql<object>($"update billing.mt_events set data = {data} where seq_id = (select min(seq_id) from billing.mt_events where type = '{type}')");
        var before = new Dictionary<string, string>();
        foreach (var view in Views) before[view] = await ContentOf(app, view);

        var refused = await Assert.ThrowsAsync<RefusedException>(() => ViewRebuild.RunAsync(app.Database.ConnectionString("billing"), new("ada", "a try"), default));
        Assert.Equal("stream_corrupt", refused.Refusal.Code);
        var name = await app.Sql<string>($"select format('event %s ({type}, version %s of %s) cannot be {told}: ', seq_id, version, stream_id) from billing.mt_events where type = '{type}' order by seq_id limit 1");
        Assert.StartsWith(name, refused.Message, StringComparison.Ordinal);
        Assert.Contains("every view is as it was. 'billing audit verify'", refused.Message, StringComparison.Ordinal);
        Assert.DoesNotContain('\n', refused.Message);
        foreach (var view in Views) Assert.Equal((view, before[view]), (view, await ContentOf(app, view)));
        Assert.Equal(0, await app.Sql<long>("select count(*) from billing.mt_events where type = 'views_rebuilt'"));
    }

    [Fact]
    public async Task Views_are_not_made_again_from_a_log_in_which_a_streams_versions_are_out_of_order()
    {
        await using var app = await Empty();
        await Import(app, books.Lines);
        await app.Sql<object>("update billing.mt_events set seq_id = seq_id + 1000000 where seq_id = (select min(seq_id) from billing.mt_events where type = 'customer_created')");
        var refused = await Assert.ThrowsAsync<RefusedException>(() => ViewRebuild.RunAsync(app.Database.ConnectionString("billing"), new("ada", "a try"), default));
        Assert.Equal("stream_corrupt", refused.Refusal.Code);
        Assert.Contains("cannot be folded: ", refused.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Who_does_not_say_who_he_is_and_why_neither_imports_nor_rebuilds()
    {
        await using var app = await Empty();
        var database = app.Database.ConnectionString("billing");
        foreach (var by in new Attribution[] { new("ada", ""), new("", "moved"), new(Attribution.Anonymous, "moved") })
        {
            Assert.Equal("actor_missing", (await Assert.ThrowsAsync<RefusedException>(() => BooksImport.RunAsync(database, books.Lines, by, default))).Refusal.Code);
            Assert.Equal("actor_missing", (await Assert.ThrowsAsync<RefusedException>(() => ViewRebuild.RunAsync(database, by, default))).Refusal.Code);
        }
        Assert.Equal(0, await app.Sql<long>("select count(*) from billing.mt_events"));
    }

    [Fact]
    public async Task A_store_that_a_service_runs_on_is_not_imported_into()
    {
        await using var app = await Empty();
        await app.RunAsync();
        await Eventually.True(
            async () => await app.Sql<long>($"select count(*) from pg_locks l join pg_database d on d.oid = l.database where l.locktype = 'advisory' and d.datname = current_database()") > 0, "a daemon is elected");
        Assert.Equal("billing_running", (await Assert.ThrowsAsync<RefusedException>(() => Import(app, books.Lines))).Refusal.Code);
        Assert.Equal("billing_running", (await Assert.ThrowsAsync<RefusedException>(() => ViewRebuild.RunAsync(app.Database.ConnectionString("billing"), new("ada", "a try"), default))).Refusal.Code);
    }

    /// <summary>What the first line of a kind says of it, as it stands there.</summary>
    private string Told(string kind, string name)
    {
        using var line = System.Text.Json.JsonDocument.Parse(books.Lines.First(l => l.StartsWith($$"""{"kind":"{{kind}}",""", StringComparison.Ordinal)));
        return $",\"{name}\":{line.RootElement.GetProperty(name).GetRawText()}";
    }

    /// <summary>The export with one thing in it that is not so, and every running hash made to fit.</summary>
    private string[] Rewritten(string from, string to, bool withSeals = true) =>
        Rehashed(books.Lines.Where(l => withSeals || !IsSeal(l)).Select(l => l.Replace(from, to, StringComparison.Ordinal)));

    private static bool IsSeal(string line) => line.StartsWith("""{"kind":"seal""", StringComparison.Ordinal);

    private static bool IsReport(string line) => line.StartsWith("""{"kind":"report""", StringComparison.Ordinal);

    private static string[] Rehashed(IEnumerable<string> lines)
    {
        var before = new byte[32];
        return [.. lines.Select(l =>
        {
            var open = l[..^TailLength];
            before = System.Security.Cryptography.SHA256.HashData([.. before, .. System.Text.Encoding.UTF8.GetBytes(open)]);
            return $"{open},\"hash\":\"{Convert.ToHexStringLower(before)}\"}}";
        })];
    }

    /// <summary>Events, seals, reports and documents without the running hashes, which go through all before them.</summary>
    private static IEnumerable<string> Content(IEnumerable<string> lines) =>
        lines.Where(l => !l.StartsWith("""{"kind":"manifest""", StringComparison.Ordinal) && !l.StartsWith("""{"kind":"end""", StringComparison.Ordinal)).Select(l => l[..^TailLength]);

    private static Task<string> ContentOf(BillingApp app, string view) => app.Sql<string>($"select coalesce(string_agg(id || ' ' || data::text, E'\\n' order by id), '') from billing.mt_doc_{view}");

    private static Task<string> DocumentsOf(BillingApp app) => app.Sql<string>("select string_agg((data ->> 'documentSha256') || (data ->> 'number') || (data ->> 'document'), E'\\n' order by id) from billing.mt_doc_storedinvoice");
}

/// <summary>Exports as earlier versions of billing wrote them, kept for ever: what was once stored must be read by every version after.</summary>
internal static class Pinned
{
    /// <summary>Two months of two customers, from before agreements and taxes: an invoice was made by its plan alone.</summary>
    public static string[] Export1 { get; } = Read("export-1.ndjson");

    /// <summary>Likewise with taxes, credit, a credit note, a void, a payment and a cancellation, from before events said who did it and before payment terms were an event.</summary>
    public static string[] Export2 { get; } = Read("export-2.ndjson");

    private static string[] Read(string name) => File.ReadAllLines(Path.Combine(AppContext.BaseDirectory, "Pinned", name));
}
