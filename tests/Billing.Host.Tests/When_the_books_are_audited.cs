using Google.Protobuf;
using Grpc.Core;
using Hosting;
using Verifier;
using static Billing.Host.Tests.BillingApp;

namespace Billing.Host.Tests;

public sealed class When_the_books_are_audited
{
    private static async Task<BillingApp> AMonthBilled()
    {
        var app = await BillingApp.StartAsync();
        foreach (var name in new[] { "one", "two" })
        {
            var subscription = await app.Subscribe(Metered, name);
            await app.Publish(app.Usage.Record(1, Jan1, Line(subscription, "output", 601_000)));
        }
        await app.Applied(1, 2);
        await app.Advance(Feb1.AddHours(1));
        await app.CaughtUp();
        return app;
    }

    [Fact]
    public async Task Untouched_books_replay_identically_and_an_export_verifies_offline()
    {
        await using var app = await AMonthBilled();
        Assert.Equal([true, true], (await app.Replay()).Select(r => r.Identical));
        Assert.All(await app.VerifySeals(), s => Assert.True(s.Intact, s.Finding));
        Assert.Equal(await app.Sql<long>("select count(*) from billing.mt_events"), (await app.VerifySeals()).Sum(s => s.EventCount));
        var export = await app.Audit.Export(new()).ResponseStream.ReadAllAsync().Select(l => l.Json).ToListAsync();
        Assert.Empty(VerifyExport.Check(export));
        var events = export.FindIndex(l => l.Contains("601000", StringComparison.Ordinal));
        export[events] = export[events].Replace("601000", "600999", StringComparison.Ordinal);
        Assert.Contains(VerifyExport.Check(export), f => f.Line == events + 1 && f.Finding.Contains("usage_applied", StringComparison.Ordinal));
    }

    [Fact]
    public async Task An_altered_event_is_named_and_explains_the_invoice_that_differs()
    {
        await using var app = await AMonthBilled();
        var sequence = await app.Sql<long>("""
            update billing.mt_events set data = jsonb_set(data, '{lines,0,tokens}', '1000') where seq_id = (select min(seq_id) from billing.mt_events where type = 'usage_applied') returning seq_id
            """);
        var replayed = await app.Replay();
        var different = Assert.Single(replayed, r => !r.Identical);
        Assert.Contains("/lines has 3 items stored and 2 replayed", different.Difference, StringComparison.Ordinal);
        Assert.Contains($"event {sequence} (usage_applied", different.Difference, StringComparison.Ordinal);
        var finding = Assert.Single(await app.VerifySeals(), s => !s.Intact);
        Assert.Contains($"event {sequence} (usage_applied", finding.Finding, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("delete from billing.mt_events where type = 'usage_applied' and seq_id = (select max(seq_id) from billing.mt_events where type = 'usage_applied') returning seq_id", "event {0} was removed")]
    [InlineData("update billing.mt_events set version = 9 where type = 'customer_created' and seq_id = (select min(seq_id) from billing.mt_events where type = 'customer_created') returning seq_id", "event {0} (customer_created, version 9 of cus_")]
    [InlineData("update billing.seal set root = sha256('x') where page = 1 returning from_sequence", "the seal itself was altered")]
    public async Task Whatever_is_tampered_with_is_named(string sql, string finding)
    {
        await using var app = await AMonthBilled();
        var sequence = await app.Sql<long>(sql);
        Assert.Contains(await app.VerifySeals(), s => !s.Intact && s.Finding.Contains(string.Format(System.Globalization.CultureInfo.InvariantCulture, finding, sequence), StringComparison.Ordinal));
    }

    /// <summary>Marten reads past what is marked so, and no leaf covers the mark.</summary>
    [Fact]
    public async Task An_event_that_is_hidden_from_the_folds_is_named_whether_it_is_sealed_or_not()
    {
        await using var app = await AMonthBilled();
        var hidden = await Hide("usage_applied");
        var told = $"event {hidden} (usage_applied, version 2 of ";
        Assert.Contains(told, Assert.Single(await app.VerifySeals(), s => !s.Intact).Finding, StringComparison.Ordinal);
        var export = await app.Audit.Export(new()).ResponseStream.ReadAllAsync().Select(l => l.Json).ToListAsync();
        Assert.StartsWith(told, Assert.Single(VerifyExport.Check(export)).Finding, StringComparison.Ordinal);
        var elsewhere = (await Servers.CreateDatabaseAsync()).ConnectionString("billing");
        Assert.Equal("export_invalid", (await Assert.ThrowsAsync<RefusedException>(() => BooksImport.RunAsync(elsewhere, export, new("ada", "moved"), default))).Refusal.Code);

        // As if the sealer had not come so far.
        await app.Sql<object>("delete from billing.seal");
        var tail = Assert.Single(await app.VerifySeals());
        Assert.Equal((0, false, true), (tail.Page, tail.Intact, tail.Finding.StartsWith(told, StringComparison.Ordinal)));

        // What audits reads past nothing: both invoices are replayed, and with all of their events.
        await Hide("invoice_finalized");
        Assert.Equal([true, true], (await app.Replay()).Select(r => r.Identical));

        Task<long> Hide(string type) => app.Sql<long>($"update billing.mt_events set is_archived = true where seq_id = (select min(seq_id) from billing.mt_events where type = '{type}') returning seq_id");
    }

    [Fact]
    public async Task An_altered_document_is_found_by_its_hash_and_by_replay()
    {
        await using var app = await AMonthBilled();
        await app.Sql<string>("update billing.mt_doc_storedinvoice set data = jsonb_set(data, '{document}', to_jsonb(replace(data ->> 'document', '12500000', '12400000'))) returning id");
        Assert.All(await app.Replay(), r => Assert.Contains("/netMicros is 12400000 stored and 12500000 replayed", r.Difference, StringComparison.Ordinal));
    }

    [Theory]
    [InlineData("jsonb_set(data, '{document}', 'null')")]
    [InlineData("jsonb_set(data, '{document}', '\"no JSON\"')")]
    [InlineData("jsonb_set(data, '{document}', '\"{}\"')")]
    [InlineData("jsonb_set(data, '{totalMicros}', '\"much\"') - 'document'")]
    [InlineData("'{}'")]
    public async Task A_document_that_was_altered_beyond_reading_is_named_and_the_others_are_audited(string data)
    {
        await using var app = await AMonthBilled();
        var id = await app.Sql<string>($"update billing.mt_doc_storedinvoice set data = {data} where id = (select min(id) from billing.mt_doc_storedinvoice) returning id");
        var replayed = await app.Replay();
        Assert.Equal((2, id), (replayed.Count, Assert.Single(replayed, r => !r.Identical).InvoiceId));
        var found = (await app.Audit.Reconcile(new()).ResponseStream.ReadAllAsync().ToListAsync()).Where(p => p.Difference is not null).Select(p => p.Difference).ToArray();
        Assert.StartsWith($"the stored document of {id} cannot be read", Assert.Single(found, d => d.Reason == "document_unreadable").Detail, StringComparison.Ordinal);
        var export = await app.Audit.Export(new()).ResponseStream.ReadAllAsync().Select(l => l.Json).ToListAsync();
        var line = export.FindIndex(l => l.StartsWith($$"""{"kind":"invoice","invoiceId":"{{id}}""", StringComparison.Ordinal)) + 1;
        Assert.Equal([line], VerifyExport.Check(export).Select(f => f.Line).Distinct());
    }

    [Fact]
    public async Task The_seals_of_a_proof_come_in_as_many_messages_as_they_need()
    {
        await using var app = await AMonthBilled();
        await app.Subscribe(Small, "three");
        await app.CaughtUp();
        await using var connection = await app.Get<AuditDatabase>().Source.OpenConnectionAsync();
        var report = new Contracts.Billing.V1.ReportOfPeriod { Shard = 1, Number = 1, PeriodId = await app.Sql<string>("select stream_id from billing.mt_events where type = 'usage_applied' and data ->> 'report' = '1'") };
        var whole = (await new ReportProofs(connection).Run([report], default).ToListAsync())[^1].Seals;
        Assert.True(whole.Roots.Count > 1);
        var seals = await new ReportProofs(connection, rootsAtOnce: 1).Run([report], default).Where(p => p.Seals is not null).Select(p => p.Seals).ToListAsync();
        Assert.Equal(whole.Roots, seals.Select(s => Assert.Single(s.Roots)));
        Assert.Equal(Enumerable.Range((int)whole.FirstPage, seals.Count).Select(p => (long)p), seals.Select(s => s.FirstPage));
        Assert.Equal(seals.SkipLast(1).Select(s => s.Head), seals.Skip(1).Select(s => s.PreviousChain));
        Assert.Equal((whole.PreviousChain, whole.Head), (seals[0].PreviousChain, seals[^1].Head));
    }

    [Theory]
    [InlineData("totalMicros", "1", "the event that finalized it says a total of 1, and its document 12500000")]
    [InlineData("currency", "\"EUR\"", "the currency EUR, and its document USD")]
    [InlineData("customerId", "\"cus_019b76daa80080000000000000000001\"", "the customer cus_019b76daa80080000000000000000001, and its document cus_")]
    [InlineData("subscriptionId", "\"sub_019b76daa80080000000000000000001\"", "the subscription sub_019b76daa80080000000000000000001, and its document sub_")]
    public async Task What_the_event_of_an_invoice_says_is_held_to_its_document(string name, string value, string told)
    {
        await using var app = await AMonthBilled();
        var sequence = await app.Sql<long>($$"""
            update billing.mt_events set data = jsonb_set(data, '{{{name}}}', '{{value}}') where seq_id = (select min(seq_id) from billing.mt_events where type = 'invoice_finalized') returning seq_id
            """);
        var different = Assert.Single(await app.Replay(), r => !r.Identical);
        Assert.Contains(told, different.Difference, StringComparison.Ordinal);
        Assert.Contains($"event {sequence} (invoice_finalized", different.Difference, StringComparison.Ordinal);
        var export = await app.Audit.Export(new()).ResponseStream.ReadAllAsync().Select(l => l.Json).ToListAsync();
        Assert.Contains(VerifyExport.Check(export), f => f.Finding.StartsWith($"{name} is {value.Trim('"')}", StringComparison.Ordinal));
    }

    [Fact]
    public async Task Events_without_a_seal_are_counted_and_a_head_that_was_noted_must_be_met()
    {
        await using var app = await AMonthBilled();
        var pages = await app.VerifySeals();
        Assert.Equal((0, 0, pages[^2].Chain), (pages[^1].Page, pages[^1].UnsealedEventCount, pages[^1].Chain));
        Assert.True((await Verify(pages[0].Chain))[^1].Intact);
        var unknown = (await Verify(ByteString.CopyFrom(new byte[32])))[^1];
        Assert.Equal((false, true), (unknown.Intact, unknown.Finding.Contains("made anew", StringComparison.Ordinal)));
        // As if the sealer had not come so far.
        await app.Sql<object>("delete from billing.seal where page = (select max(page) from billing.seal)");
        var sealed_ = await app.VerifySeals();
        Assert.Equal((pages[^2].EventCount, true), (sealed_[^1].UnsealedEventCount, sealed_[^1].Intact));

        async Task<List<Contracts.Billing.V1.SealFinding>> Verify(ByteString head) => await app.Audit.VerifySeals(new() { KnownHead = head }).ResponseStream.ReadAllAsync().ToListAsync();
    }

    [Fact]
    public async Task Every_invoice_that_differs_is_explained_by_what_the_log_shows()
    {
        await using var app = await AMonthBilled();
        await app.Sql<string>("update billing.mt_doc_storedinvoice set data = jsonb_set(data, '{document}', to_jsonb(replace(data ->> 'document', '12500000', '12400000'))) returning id");
        await app.Sql<object>("update billing.seal set root = sha256('x') where page = 1");
        var replayed = await app.Replay();
        Assert.Equal([false, false], replayed.Select(r => r.Identical));
        Assert.All(replayed, r => Assert.Contains("No event of these streams was altered, but the log was", r.Difference, StringComparison.Ordinal));
    }

    [Fact]
    public async Task A_stream_that_cannot_be_folded_stops_its_own_invoice_and_no_other()
    {
        await using var app = await AMonthBilled();
        var corrupt = await app.Sql<long>("""
            insert into billing.mt_events
            select more.* from billing.mt_events e, jsonb_populate_record(e, jsonb_build_object('seq_id', nextval('billing.mt_events_sequence'), 'id', gen_random_uuid(),
                'version', (select max(version) + 1 from billing.mt_events s where s.stream_id = e.stream_id))) more
            where e.seq_id = (select min(seq_id) from billing.mt_events where type = 'period_closed') returning seq_id
            """);
        var replayed = await app.Replay();
        Assert.Equal(2, replayed.Count);
        var told = $"event {corrupt} (period_closed, version ";
        Assert.Contains(told, Assert.Single(replayed, r => !r.Identical).Difference, StringComparison.Ordinal);
        var wouldBe = await app.Audit.WhatIf(new()).ResponseStream.ReadAllAsync().ToListAsync();
        Assert.Equal([0L, 12_500_000], wouldBe.Select(w => w.WouldBeMicros).Order());
        Assert.Contains(told, Assert.Single(wouldBe, w => w.Fault.Length > 0).Fault, StringComparison.Ordinal);
        var period = await app.Sql<string>($"select stream_id from billing.mt_events where seq_id = {corrupt}");
        var (before, now) = (new Contracts.Billing.V1.HistoryPoint { Sequence = corrupt - 1 }, new Contracts.Billing.V1.HistoryPoint { Sequence = corrupt });
        var asked = await Assert.ThrowsAsync<RpcException>(() => app.Audit.AsOfAsync(new() { Id = period, At = now }).ResponseAsync);
        var compared = await Assert.ThrowsAsync<RpcException>(async () => await app.Audit.Diff(new() { Id = period, From = before, To = now }).ResponseStream.ReadAllAsync().ToListAsync());
        Assert.All([asked, compared], e => Assert.Equal((StatusCode.DataLoss, true), (e.StatusCode, e.Status.Detail.StartsWith(told, StringComparison.Ordinal))));
        Assert.NotEmpty((await app.Audit.AsOfAsync(new() { Id = period, At = before })).Json);

        var export = await app.Audit.Export(new()).ResponseStream.ReadAllAsync().Select(l => l.Json).ToListAsync();
        var check = new VerifyExport();
        foreach (var line in export) check.Next(line);
        var elsewhere = (await Servers.CreateDatabaseAsync()).ConnectionString("billing");
        var refused = await Assert.ThrowsAsync<RefusedException>(() => BooksImport.RunAsync(elsewhere, export, new("ada", "moved"), default, knownHead: new string('0', 64)));
        Assert.Equal(("export_invalid", true), (refused.Refusal.Code, refused.Message.Contains("made anew", StringComparison.Ordinal)));
        var imported = await BooksImport.RunAsync(elsewhere, export, new("ada", "moved"), default, knownHead: check.Head);
        Assert.Equal(2, imported.Invoices);
        Assert.Contains(told, Assert.Single(imported.Faults), StringComparison.Ordinal);
    }

    [Fact]
    public async Task An_event_that_applied_a_report_names_its_chain_and_a_report_of_another_is_found()
    {
        await using var app = await AMonthBilled();
        Assert.Equal(2, await app.Sql<long>("select count(*) from billing.mt_events e join billing.mt_doc_appliedreport r on r.data ->> 'chain' = e.data ->> 'chain' where e.type = 'usage_applied'"));
        await app.Sql<object>("update billing.mt_events set data = jsonb_set(data, '{chain}', to_jsonb(repeat('0', 64))) where type = 'usage_applied'");
        var export = await app.Audit.Export(new()).ResponseStream.ReadAllAsync().Select(l => l.Json).ToListAsync();
        Assert.Contains(VerifyExport.Check(export), f => f.Finding.Contains("another chain value than an event that applied it", StringComparison.Ordinal));
    }

    [Fact]
    public async Task What_an_audit_asks_may_take_as_long_as_the_books_are()
    {
        await using var app = await BillingApp.StartAsync();
        await using var snapshot = await AuditSnapshot.Open(app.Get<AuditDatabase>(), default);
        await using var session = snapshot.Session(app.Get<Marten.IDocumentStore>());
        await using var command = new Npgsql.NpgsqlCommand("select 1");
        await using (await session.ExecuteReaderAsync(command, default)) Assert.Equal(0, command.CommandTimeout);
    }

    [Fact]
    public async Task Auditing_writes_nothing_even_where_it_could()
    {
        await using var app = await AMonthBilled();
        await using var connection = await app.Get<AuditDatabase>().Source.OpenConnectionAsync();
        await using var command = new Npgsql.NpgsqlCommand("delete from billing.mt_events", connection);
        var refused = await Assert.ThrowsAsync<Npgsql.PostgresException>(() => command.ExecuteNonQueryAsync());
        Assert.Equal("25006", refused.SqlState);
    }

    [Fact]
    public async Task An_auditor_cannot_read_who_customers_are_and_audits_work_without()
    {
        await using var app = await BillingApp.StartAsync();
        var subscription = await app.Subscribe(Metered);
        await app.Billing.RecordCustomerDetailsAsync(new() { CustomerId = subscription.CustomerId, Details = new() { Name = "Ada Lovelace", Country = "GB" } });
        await app.Advance(Feb1.AddHours(1));
        Assert.Equal(1, await app.Sql<long>("select count(*) from billing.personal_details where details <> ''"));
        Assert.Equal("42501", (await Assert.ThrowsAsync<Npgsql.PostgresException>(Read)).SqlState);
        // As in a database that is older than the rule.
        await app.Sql<object>("grant select on billing.personal_details to billing_auditor");
        await Read();
        await app.StopAsync();
        await app.RunAsync();
        Assert.Equal("42501", (await Assert.ThrowsAsync<Npgsql.PostgresException>(Read)).SqlState);

        await app.CaughtUp();
        Assert.True(Assert.Single(await app.Replay()).Identical);
        Assert.All(await app.VerifySeals(), s => Assert.True(s.Intact, s.Finding));
        var export = await app.Audit.Export(new()).ResponseStream.ReadAllAsync().Select(l => l.Json).ToListAsync();
        Assert.Empty(VerifyExport.Check(export));
        Assert.DoesNotContain(export, l => l.Contains("Lovelace", StringComparison.Ordinal));

        async Task Read()
        {
            await using var connection = await app.Get<AuditDatabase>().Source.OpenConnectionAsync();
            await using var command = new Npgsql.NpgsqlCommand("select * from billing.personal_details", connection);
            await command.ExecuteScalarAsync();
        }
    }

    [Fact]
    public async Task Seals_go_on_after_a_restart_where_they_stopped()
    {
        await using var app = await AMonthBilled();
        await app.StopAsync();
        await app.RunAsync();
        await app.Subscribe(Small, "three");
        await app.CaughtUp();
        Assert.All(await app.VerifySeals(), s => Assert.True(s.Intact, s.Finding));
        Assert.Equal(await app.Sql<long>("select count(*) from billing.mt_events"), (await app.VerifySeals()).Sum(s => s.EventCount));
    }

    [Fact]
    public async Task What_came_while_nobody_sealed_is_sealed_in_pages()
    {
        await using var app = await AMonthBilled();
        await app.CaughtUp();
        await app.StopAsync();
        var pages = await app.Sql<long>("select count(*) from billing.seal");
        await app.Sql<object>("""
            insert into billing.mt_events
            select more.* from billing.mt_events e, generate_series(1, 22500) n,
                jsonb_populate_record(e, jsonb_build_object('seq_id', nextval('billing.mt_events_sequence'), 'id', gen_random_uuid(), 'version', 1000 + n)) more
            where e.seq_id = (select min(seq_id) from billing.mt_events where type = 'customer_created')
            """);
        await app.RunAsync();
        await app.CaughtUp();
        Assert.Equal(pages + 23, await app.Sql<long>("select count(*) from billing.seal"));
        Assert.All(await app.VerifySeals(), s => Assert.True(s.Intact, s.Finding));
        Assert.Equal(await app.Sql<long>("select count(*) from billing.mt_events"), (await app.VerifySeals()).Sum(s => s.EventCount));
    }
}
