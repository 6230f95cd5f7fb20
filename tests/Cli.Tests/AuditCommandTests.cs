using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using Billing.Host;
using Billing.Invoices;
using Billing.Menus;
using Billing.Rating;
using Billing.Subscriptions;
using Cli.Audits;
using Cli.Commands;
using Contracts.Billing.V1;
using Contracts.Clock.V1;
using Contracts.Usage.V1;
using Google.Protobuf.WellKnownTypes;
using Grpc.Core;
using Grpc.Net.Client;
using Hosting;
using LocalServers;
using Microsoft.AspNetCore.Builder;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Usage.Host;
using Verifier;
using Cap = Kernel.Cap;
using MenuTerms = Billing.Menus.MenuTerms;

namespace Cli.Tests;

/// <summary>billing audit against usage and billing services that billed a month; then what they wrote, when both are gone.</summary>
public sealed class AuditCommandTests
{
    private static readonly DateTimeOffset Jan1 = new(2026, 1, 1, 0, 0, 0, TimeSpan.Zero), Feb1 = Jan1.AddMonths(1), Mar1 = Jan1.AddMonths(2);
    private static readonly string Menu = Ids.Derive(Ids.Menu, Jan1, "menu"), Small = Ids.Derive(Ids.Plan, Jan1, "small");
    private static readonly string Acme = Ids.Derive(Ids.Customer, Jan1, "acme"), Theirs = Ids.Derive(Ids.Subscription, Jan1, "acme");
    private const string Generation = "gen_019b76daa8007000800000000000000a", Nobody = "gen_019b76daa8007000800000000000000b";
    private readonly Dictionary<string, string?> _environment = [];

    private Task<(int Exit, string Output, string Error)> Audit(params string[] args) => InProcess.RunAsync(_environment, "", ["audit", .. args]);
    private Task<(int Exit, string Output, string Error)> AuditApart(params string[] args) => DotnetProcess.RunAsync(BillingProcess.Dll, _environment, "", ["audit", .. args]);

    [Fact]
    public async Task An_auditor_asks_everything_from_the_command_line_and_checks_it_without_us()
    {
        var folder = Directory.CreateTempSubdirectory("audit-");
        string In(string name) => Path.Combine(folder.FullName, name);
        var (proof, export) = (In("proof.json"), In("books.ndjson"));
        var period = PeriodIds.Of(Theirs, 0, Jan1);
        string head;
        var (later, laterBooks) = (In("later.json"), In("later.ndjson"));
        await using (var billed = await AMonthBilled())
        {
            var asked = await Task.WhenAll(
                AuditApart("replay", "--json"), AuditApart("replay", "--invoice", InvoiceIds.Of(PeriodIds.Of(Theirs, 9, Jan1))), Audit("as-of", Theirs), Audit("as-of", Theirs, "--at", "2025-01-01"),
                Audit("diff", period, "--from", "2026-01-01", "--json"), Audit("reconcile"), Audit("what-if", "--fee", $"{Small}=20", "--json"), Audit("verify", "--json"),
                Audit("verify", "--head", "not hex"));
            Assert.Equal([0, 1, 0, 1, 0, 0, 0, 0, 2], asked.Select(a => a.Exit));
            Assert.Equal((1, 1), (Json(asked[0]).GetProperty("invoices").GetInt32(), Json(asked[0]).GetProperty("identical").GetInt32()));
            Assert.Contains("(invoice_unknown); billing invoice list", asked[1].Error, StringComparison.Ordinal);
            Assert.Contains("Folded from", asked[2].Output, StringComparison.Ordinal);
            Assert.Contains("(not_known_then); leave out the point", asked[3].Error, StringComparison.Ordinal);
            Assert.NotEqual(0, Json(asked[4]).GetProperty("events").GetArrayLength());
            Assert.Contains("every token is where it should be", asked[5].Output, StringComparison.Ordinal);
            Assert.Equal(20_000_000, Json(asked[6]).GetProperty("totals")[0].GetProperty("wouldBeMicros").GetInt64());
            Assert.Equal((true, 0), (Json(asked[7]).GetProperty("intact").GetBoolean(), Json(asked[7]).GetProperty("unsealed").GetInt64()));
            Assert.Contains("64 hex digits", asked[8].Error, StringComparison.Ordinal);
            head = Json(asked[7]).GetProperty("head").GetString()!;

            var written = await Task.WhenAll(
                Audit("prove", Generation, "--out", proof), Audit("prove", Generation, "--sequence", "1", "--out", In("one.json"), "--json"), Audit("prove", Nobody, "--out", In("none.json")),
                Audit("export", "--out", export, "--json"), Audit("verify", "--head", head), Audit("verify", "--head", new string('0', 64)));
            Assert.Equal([0, 0, 1, 0, 0, 1], written.Select(a => a.Exit));
            Assert.Contains("counted among 307 tokens on INV-000001", written[0].Output, StringComparison.Ordinal);
            Assert.Equal("INV-000001", Json(written[1]).GetProperty("rows")[0].GetProperty("invoiceNumber").GetString());
            Assert.Contains("was never recorded", written[2].Error, StringComparison.Ordinal);
            Assert.Equal(File.ReadLines(export).Count(), Json(written[3]).GetProperty("lines").GetInt32());
            Assert.Contains("made anew", written[5].Output, StringComparison.Ordinal);

            await Erase(billed);
            await Void(billed, InvoiceIds.Of(period));
            Assert.Equal([0, 0], (await Task.WhenAll(Audit("prove", Generation, "--out", later), Audit("export", "--out", laterBooks))).Select(a => a.Exit));
        }

        // Who it was is forgotten, and everything that was proven still is.
        var forgotten = await Task.WhenAll(Audit("verify", later, "--head", head), Audit("verify", laterBooks, "--head", head), Audit("verify", proof), Audit("verify", export));
        Assert.Equal([0, 0, 0, 0], forgotten.Select(a => a.Exit));
        Assert.Contains("counted among 307 tokens on INV-000001, which is void since 2026-03-01", forgotten[0].Output, StringComparison.Ordinal);
        Assert.Contains("customer_erased", await File.ReadAllTextAsync(laterBooks), StringComparison.Ordinal);
        foreach (var file in new[] { proof, later, export, laterBooks }) Assert.DoesNotContain("Lovelace", await File.ReadAllTextAsync(file), StringComparison.Ordinal);

        // Nothing runs any more.
        var other = await Servers.CreateDatabaseAsync();
        var alone = await Task.WhenAll(
            Audit("verify", export), Audit("verify", export, "--head", head), Audit("verify", proof), Audit("verify", proof, "--head", head, "--json"), Audit("verify", proof, "--head", new string('0', 64)),
            Audit("verify", In("gone")), Audit("replay"), Audit("import", export, "--head", head, "--postgres", other.ConnectionString("billing"), "--json", "--reason", "moved"));
        Assert.Equal([0, 0, 0, 0, 1, 1, 1, 0], alone.Select(a => a.Exit));
        Assert.Contains("all intact", alone[0].Output, StringComparison.Ordinal);
        Assert.Contains("INV-000001", alone[2].Output, StringComparison.Ordinal);
        Assert.Equal(head, Json(alone[3]).GetProperty("head").GetString());
        Assert.Contains("do not lead to", alone[4].Output, StringComparison.Ordinal);
        Assert.Contains("billing audit prove", alone[5].Error, StringComparison.Ordinal);
        Assert.Contains("start it, or say where it is", alone[6].Error, StringComparison.Ordinal);
        Assert.Equal(1, Json(alone[7]).GetProperty("invoices").GetInt32());
        Assert.Contains("(store_not_empty); name another database", (await Audit("import", export, "--postgres", other.ConnectionString("billing"), "--reason", "moved")).Error, StringComparison.Ordinal);

        Assert.Equal(1, Json(await Audit("rebuild", "--postgres", other.ConnectionString("billing"), "--json", "--reason", "mended")).GetProperty("invoices").GetInt64());

        foreach (var file in new[] { export, proof }) Assert.Equal((0, ""), await VerifiedThroughAPipe(file, In("pipe")));

        var lines = await File.ReadAllLinesAsync(proof);
        JsonDocument.Parse(string.Join('\n', lines)).Dispose();
        AnyAlteredByteIsNamed(lines);
        WhatWasMadeToFitIsNamed(lines);
        folder.Delete(recursive: true);
    }

    /// <summary>As from zcat: what is read of a pipe is gone from it.</summary>
    private async Task<(int Exit, string Error)> VerifiedThroughAPipe(string file, string pipe)
    {
        using (var made = System.Diagnostics.Process.Start("mkfifo", pipe)) await made.WaitForExitAsync();
        var writing = Task.Run(async () =>
        {
            await using var to = new FileStream(pipe, FileMode.Open, FileAccess.Write, FileShare.ReadWrite);
            await using var from = File.OpenRead(file);
            await from.CopyToAsync(to);
        });
        var (exit, output, error) = await Audit("verify", pipe);
        await writing;
        File.Delete(pipe);
        return (exit, exit == 0 ? error : output);
    }

    [Fact]
    public async Task A_file_that_is_neither_an_export_nor_a_proof_is_read_line_by_line_and_told_in_few()
    {
        var path = Path.Combine(Directory.CreateTempSubdirectory().FullName, "notes.txt");
        await File.WriteAllLinesAsync(path, Enumerable.Repeat("not of billing", 150));
        var (exit, output, _) = await Audit("verify", path);
        Assert.Equal(1, exit);
        Assert.Contains("line 1: not a line of an export: it does not end with its hash", output, StringComparison.Ordinal);
        // Two of each line, and one of the file, that it is cut off.
        Assert.Contains("and 201 more: --json gives all of them", output, StringComparison.Ordinal);
        Assert.Equal(301, Json(await Audit("verify", path, "--json")).GetProperty("findings").GetArrayLength());
        Directory.Delete(Path.GetDirectoryName(path)!, recursive: true);
    }

    [Fact]
    public async Task What_if_says_of_every_version_of_rating_what_it_does()
    {
        var help = string.Join(' ', (await Audit("what-if", "--help")).Output.Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries));
        for (var version = 1; version <= RatingVersions.Latest; version++) Assert.Contains($"{version} {RatingVersions.InWords[version - 1]}", help, StringComparison.Ordinal);
    }

    [Fact]
    public void A_proof_is_the_same_in_however_many_messages_its_seals_came()
    {
        Google.Protobuf.ByteString Hash(byte of) => Google.Protobuf.ByteString.CopyFrom([.. Enumerable.Repeat(of, 32)]);
        SealChain Seals(long first, byte previous, byte[] roots, byte head) => new() { FirstPage = first, PreviousChain = Hash(previous), Roots = { roots.Select(Hash) }, Head = Hash(head) };
        Assert.Equal(
            ProofFile.Lines([], [new() { Seals = Seals(3, 0, [1, 2, 3], 6) }]),
            ProofFile.Lines([], [new() { Seals = Seals(3, 0, [1, 2], 5) }, new() { Seals = Seals(5, 5, [3], 6) }]));
    }

    [Theory]
    [InlineData(0, 0, 0, "every token is where it should be")]
    [InlineData(2, 0, 0, "every token that arrived is where it should be; 2 reports are on their way: ask again when they are applied")]
    [InlineData(0, 3, 0, "every token that reports say is where it should be", "not compared with their rows: 3 of 9 reports, 700 tokens (--without-rows)")]
    [InlineData(0, 3, 5, "every token that reports say is where it should be", "not compared with their rows: 3 of 9 reports, 700 tokens (rows of them are archived, and their leaves say nothing of tokens)")]
    public void No_more_is_said_to_be_where_it_should_than_was_compared(long waiting, long without, long archived, params string[] told) => Assert.Equal(
        told, AuditReconcileCommand.AllClear(new() { Reports = 9, WaitingReports = waiting, ReportsWithoutRows = without, TokensWithoutRows = without == 0 ? 0 : 700, ArchivedRows = archived }));

    private static void AnyAlteredByteIsNamed(string[] lines)
    {
        // Every byte would take minutes: every 13th, which is no period of the text.
        for (var line = 0; line < lines.Length; line++)
            for (var at = 0; at < lines[line].Length; at += 13)
                Assert.Contains(VerifyProof.Check(With(lines, line, lines[line][..at] + (char)(lines[line][at] == 'x' ? 'y' : 'x') + lines[line][(at + 1)..])).Findings, f => f.Line == line + 1);
        for (var line = 0; line < lines.Length; line++)
            Assert.NotEmpty(VerifyProof.Check([.. lines[..line], .. lines[(line + 1)..]]).Findings);
    }

    /// <summary>Somebody who alters a proof and makes every running hash anew.</summary>
    private static void WhatWasMadeToFitIsNamed(string[] lines)
    {
        Assert.Equal(lines, Rehashed(lines));
        foreach (var (kind, from, to, told) in new[]
        {
            ("row", "\"output\":300", "\"output\":200", "does not lead to its root"), ("row", "\"model\":\"m\"", "\"model\":\"n\"", "does not lead to its root"),
            ("row", "\"ordinal\":", "\"ordinal\":1", "does not lead to its root"), ("report", "\"chain\":\"", "\"chain\":\"0", "cannot be read"),
            ("report", "\"tokens\":300", "\"tokens\":299", "did not apply what its report says"), ("report", "\"firstBatch\":", "\"firstBatch\":1", "has not one root per batch"),
            ("event", "\\\"tokens\\\": 300", "\\\"tokens\\\": 299", "is not what was sealed"), ("event", "\"version\":", "\"version\":7", "is not what was sealed"),
            ("invoice", "\\\"totalMicros\\\":10000000", "\\\"totalMicros\\\":90000000", "is not the one that was finalized"), ("seals", "\"firstPage\":", "\"firstPage\":1", "head of the chain"),
        })
        {
            var line = Array.FindIndex(lines, l => l.StartsWith($"{{\"kind\":\"{kind}\"", StringComparison.Ordinal) && l.Contains(from, StringComparison.Ordinal));
            Assert.True(line > 0, $"{kind} has no {from}");
            Assert.Contains(VerifyProof.Check(Rehashed(With(lines, line, lines[line].Replace(from, to, StringComparison.Ordinal)))).Findings, f => f.Finding.Contains(told, StringComparison.Ordinal));
        }
    }

    private static string[] With(string[] lines, int line, string text) => [.. lines.Select((l, i) => i == line ? text : l)];

    private static string[] Rehashed(string[] lines)
    {
        var (before, tail) = (new byte[32], ",\"hash\":\"\"}".Length + 64);
        return [.. lines.Select((line, i) =>
        {
            if (i == 0 || i == lines.Length - 1) return line;
            var comma = line.EndsWith(',') ? "," : "";
            var open = line[..^(tail + comma.Length)];
            before = SHA256.HashData([.. before, .. Encoding.UTF8.GetBytes(open)]);
            return $"{open},\"hash\":\"{Convert.ToHexStringLower(before)}\"}}{comma}";
        })];
    }

    private static JsonElement Json((int, string Output, string) run) => JsonDocument.Parse(run.Output).RootElement;

    /// <summary>An invoice names its customer: the last one comes first.</summary>
    private async Task Erase(Services services)
    {
        using var books = GrpcChannel.ForAddress(services.Billing.Endpoints().Grpc);
        using var metering = GrpcChannel.ForAddress(_environment["USAGE_ADDRESS"]!);
        var client = new Contracts.Billing.V1.Billing.BillingClient(books);
        await client.CancelSubscriptionAsync(new() { SubscriptionId = Theirs, When = EffectiveWhen.Now });
        Assert.Contains("(customer_to_invoice)", (await InProcess.RunAsync(_environment, "", ["customer", "erase", Acme, "--yes", "--reason", "a test"])).Error, StringComparison.Ordinal);
        await Billed(metering, books, Mar1.AddHours(2), 2);
        await client.EraseCustomerAsync(new() { CustomerId = Acme }, new Metadata { { "actor", "ada" }, { "reason", "asked for it" } });
    }

    private static async Task Void(Services services, string invoiceId)
    {
        using var books = GrpcChannel.ForAddress(services.Billing.Endpoints().Grpc);
        await new Invoicing.InvoicingClient(books).VoidInvoiceAsync(new() { InvoiceId = invoiceId, Reason = "issued twice" }, new Metadata { { "actor", "ada" } });
        await Eventually.True(async () => (await new Contracts.Billing.V1.Audit.AuditClient(books).VerifySeals(new()).ResponseStream.ReadAllAsync().LastAsync()).UnsealedEventCount == 0, "every event is sealed");
    }

    private sealed class Services(WebApplication usage, WebApplication billing) : IAsyncDisposable
    {
        public WebApplication Billing => billing;

        public async ValueTask DisposeAsync()
        {
            foreach (var host in new[] { billing, usage })
            {
                await host.StopAsync();
                await host.DisposeAsync();
            }
        }
    }

    /// <summary>300 tokens and a prompt of 7, metered by usage, told over the broker and on a final invoice.</summary>
    private async Task<Services> AMonthBilled()
    {
        var (database, broker, port) = (await Servers.CreateDatabaseAsync(), await Servers.CreateVirtualHostAsync(), Ports.Free(1)[0]);
        Dictionary<string, string?> Settings(string grpcPort) => new()
        {
            ["Http:Address"] = "127.0.0.1", ["Http:Port"] = "0", ["Http:GrpcPort"] = grpcPort, ["Logging:Minimum"] = "Fatal", ["RabbitMq:Uri"] = broker.ToString(), ["Clock:Mode"] = "Simulated",
            ["Clock:Start"] = "2026-01-01T00:00:00Z", ["Usage:Postgres"] = database.ConnectionString("usage"), ["Billing:Postgres"] = database.ConnectionString("billing"),
            ["Billing:AuditPostgres"] = database.ConnectionString("billing_auditor"), ["Billing:UsageAddress"] = $"http://127.0.0.1:{port}", ["Billing:DuePollSeconds"] = "0.1", ["Billing:GapPollSeconds"] = "0.2",
        };
        var billing = BillingHost.Build([], b => { b.Environment.EnvironmentName = "Test"; b.Configuration.AddInMemoryCollection(Settings("0")); });
        await billing.StartAsync();
        var usage = UsageHost.Build([], b =>
        {
            b.Environment.EnvironmentName = "Test";
            b.Configuration.AddInMemoryCollection(Settings($"{port}"));
            b.Configuration.AddInMemoryCollection([new("Usage:BillingAddress", billing.Endpoints().Grpc.ToString())]);
        });
        await usage.StartAsync();
        foreach (var host in new[] { billing, usage }) await Eventually.True(() => host.Services.GetRequiredService<Readiness>().IsReady, "both are ready");
        (_environment["BILLING_ADDRESS"], _environment["USAGE_ADDRESS"]) = (billing.Endpoints().Grpc.ToString(), usage.Endpoints().Grpc.ToString());
        using var books = GrpcChannel.ForAddress(billing.Endpoints().Grpc);
        using var metering = GrpcChannel.ForAddress(usage.Endpoints().Grpc);

        var terms = new MenuTerms(Menu, "Spring", Currency.Parse("USD"), 20, [new(Small, "Small", new(10_000_000), [Cap.Hard(CapWindow.Conversation, 1_000)], [])], [], Jan1);
        await billing.Services.GetRequiredService<EventStreams>().Transact<MenuState, MenuEvent>(Menu, MenuState.Initial, MenuState.Evolve, s => ReceiveMenuDecision.Decide(new(terms), s), default);
        var client = new Contracts.Billing.V1.Billing.BillingClient(books);
        await client.CreateCustomerAsync(new() { CustomerId = Acme, Currency = "USD" });
        await client.RecordCustomerDetailsAsync(new() { CustomerId = Acme, Details = new() { Name = "Ada Lovelace", Country = "GB" } });
        await client.SubscribeAsync(new() { SubscriptionId = Theirs, CustomerId = Acme, MenuId = Menu, PlanId = Small });

        var meter = new TokenMeter.TokenMeterClient(metering);
        var start = new Start { GenerationId = Generation, SubscriptionId = Theirs, Conversation = "c", Model = "m", Prompt = new TokenCounts { Input = 7 } };
        await Eventually.True(async () => (await meter.AuthorizeAsync(new AuthorizeRequest { Start = start, TokensWanted = 300 })).Grant is not null, "usage knows the subscription");
        await meter.SettleAsync(new SettleRequest { Finish = new Finish { GenerationId = Generation, Sequence = 1, Reason = FinishReason.Stop, Totals = new TokenCounts { Output = 300 } } });
        await new UsageLedger.UsageLedgerClient(metering).GetHeadsAsync(new());
        await Eventually.True(async () => (await client.GetAppliedReportsAsync(new())).Shards.Any(s => s.ThroughNumber > 0), "the report is applied");
        await Billed(metering, books, Feb1.AddHours(2), 1);
        await Eventually.True(async () => (await new Contracts.Billing.V1.Audit.AuditClient(books).VerifySeals(new()).ResponseStream.ReadAllAsync().LastAsync()).UnsealedEventCount == 0, "every event is sealed");
        return new(usage, billing);
    }

    private static async Task Billed(GrpcChannel metering, GrpcChannel books, DateTimeOffset until, int invoices)
    {
        foreach (var channel in new[] { metering, books })
            await new Contracts.Clock.V1.BusinessClock.BusinessClockClient(channel).AdvanceAsync(new() { To = until.ToTimestamp() });
        var client = new Contracts.Billing.V1.Billing.BillingClient(books);
        await Eventually.True(async () => (await client.ListInvoicesAsync(new() { Status = InvoiceStatus.Finalized, PageSize = 10 })).Invoices.Count == invoices, "the month is invoiced");
    }
}
