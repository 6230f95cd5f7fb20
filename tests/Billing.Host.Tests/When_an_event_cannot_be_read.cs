using System.Globalization;
using System.Text.Json;
using Billing.Accounts;
using Contracts.Billing.V1;
using Google.Protobuf.WellKnownTypes;
using Grpc.Core;
using Verifier;
using static Billing.Host.Tests.BillingApp;
using HistoryPoint = Contracts.Billing.V1.HistoryPoint;

namespace Billing.Host.Tests;

/// <summary>What is stored does not fit what an event of its type is: whoever has the database in their hands can write anything. One host for all: what a test alters it puts back.</summary>
public sealed class When_an_event_cannot_be_read(When_history_is_asked.Books books) : IClassFixture<When_history_is_asked.Books>
{
    private BillingApp App => books.App;

    private string Period => books.One.CurrentPeriod.PeriodId;

    private sealed record Altered(long Sequence, string Name, string Before, string After);

    /// <summary>The first event of a type in a stream, with other data.</summary>
    private async Task<Altered> Alter(string type, string stream, string data)
    {
        var sequence = await App.Sql<long>($"select min(seq_id) from billing.mt_events where type = '{type}' and stream_id = '{stream}'");
        var (name, before) = (
            await App.Sql<string>($"select format('event %s (%s, version %s of %s)', seq_id, type, version, stream_id) from billing.mt_events where seq_id = {sequence}"),
            await App.Sql<string>($"select data::text from billing.mt_events where seq_id = {sequence}"));
        return new(sequence, name, before, await App.Sql<string>($"update billing.mt_events set data = {data} where seq_id = {sequence} returning data::text"));
    }

    private Task PutBack(Altered e) => App.Sql<object>($"update billing.mt_events set data = '{e.Before.Replace("'", "''", StringComparison.Ordinal)}' where seq_id = {e.Sequence}");

    private async Task<List<ReconcileDifference>> Reconcile() =>
        [.. (await App.Audit.Reconcile(new()).ResponseStream.ReadAllAsync().ToListAsync()).Where(p => p.Difference is not null).Select(p => p.Difference)];

    private async Task<RpcException> Fault(Func<Task> ask) => await Assert.ThrowsAsync<RpcException>(ask);

    private static void IsTold(RpcException told, string begins)
    {
        Assert.Equal((StatusCode.DataLoss, "stream_corrupt"), (told.StatusCode, told.GetRpcStatus()!.GetDetail<Google.Rpc.ErrorInfo>()!.Reason));
        Assert.StartsWith(begins, told.Status.Detail, StringComparison.Ordinal);
    }

    private static void IsTold(RpcException told, Altered e)
    {
        IsTold(told, $"{e.Name} cannot be read: ");
        Assert.Contains("docs/events.md", told.Status.Detail, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("period_opened", "jsonb_set(data, '{subscriptionId}', '7')", false)]
    [InlineData("period_opened", "'null'", false)]
    [InlineData("usage_applied", "jsonb_set(data, '{lines,0,kind}', '\"whisper\"')", true)]
    [InlineData("usage_applied", "jsonb_set(data, '{lines}', '7')", true)]
    [InlineData("usage_applied", "jsonb_set(data, '{lines}', 'null')", true)]
    [InlineData("usage_applied", "jsonb_set(data, '{shard}', '\"one\"')", true)]
    [InlineData("usage_applied", "data - 'lines'", true)]
    [InlineData("usage_applied", "'[]'", true)]
    [InlineData("period_closed", "data - 'at'", true)]
    [InlineData("invoice_terms_cut", "jsonb_set(data, '{dueAt}', '\"soon\"')", false)]
    [InlineData("invoice_finalized", "jsonb_set(data, '{totalMicros}', '\"many\"')", false)]
    [InlineData("invoice_finalized", "data - 'periodId'", false)]
    [InlineData("invoice_finalized", "'null'", false)]
    public async Task It_is_told_of_the_invoice_that_it_concerns_and_all_others_go_on(string type, string data, bool isOfTokens)
    {
        var e = await Alter(type, type.StartsWith("invoice", StringComparison.Ordinal) ? books.January.InvoiceId : Period, data);
        try
        {
            var replayed = await App.Replay();
            Assert.Equal(4, replayed.Count);
            var told = $"{e.Name} cannot be read: ";
            // February's invoice adjusts January for late usage, and is rated from January's events and its invoice too.
            Assert.Equal(2, replayed.Count(r => !r.Identical));
            var january = Assert.Single(replayed, r => r.InvoiceId == books.January.InvoiceId);
            Assert.Equal(books.January.Number, january.Number);
            Assert.All(replayed.Where(r => !r.Identical), r => Assert.Contains(told, r.Difference, StringComparison.Ordinal));
            Assert.Contains($"Explained by: {e.Name}", january.Difference, StringComparison.Ordinal);
            var wouldBe = await App.Audit.WhatIf(new()).ResponseStream.ReadAllAsync().ToListAsync();
            Assert.Equal(4, wouldBe.Count);
            Assert.StartsWith(told, Assert.Single(wouldBe, w => w.InvoiceId == books.January.InvoiceId).Fault, StringComparison.Ordinal);

            Assert.Contains(e.Name, Assert.Single(await App.VerifySeals(), s => !s.Intact).Finding, StringComparison.Ordinal);
            var export = await App.Audit.Export(new()).ResponseStream.ReadAllAsync().Select(l => l.Json).ToListAsync();
            Assert.Contains(export.Select(l => JsonDocument.Parse(l).RootElement), l => l.GetProperty("kind").GetString() == "event" && l.GetProperty("sequence").GetInt64() == e.Sequence && l.GetProperty("data").GetString() == e.After);
            Assert.Contains(VerifyExport.Check(export), f => f.Finding.Contains(e.Name, StringComparison.Ordinal));

            var differences = await Reconcile();
            Assert.All(differences, d => Assert.Equal(Period, d.PeriodId.Length > 0 ? d.PeriodId : Period));
            Assert.Equal(isOfTokens ? [told] : [], differences.Where(d => d.Reason == "event_unreadable").Select(d => d.Detail[..told.Length]));
        }
        finally
        {
            await PutBack(e);
        }
        Assert.All(await App.Replay(), r => Assert.True(r.Identical, r.Difference));
    }

    [Fact]
    public async Task What_was_known_before_it_is_shown_and_what_needs_it_is_one_error_that_names_it()
    {
        var e = await Alter("usage_applied", Period, "jsonb_set(data, '{lines,0,tokens}', '\"many\"')");
        try
        {
            HistoryPoint Time(DateTimeOffset at) => new() { Time = at.ToTimestamp() };
            var (before, earlier) = (new HistoryPoint { Sequence = e.Sequence - 1 }, Time(Jan1.AddSeconds(-1)));
            IsTold(await Fault(() => App.Audit.AsOfAsync(new() { Id = Period }).ResponseAsync), e);
            IsTold(await Fault(() => App.Audit.AsOfAsync(new() { Id = books.January.InvoiceId }).ResponseAsync), e);
            IsTold(await Fault(() => App.Audit.AsOfAsync(new() { Id = Period, At = Time(Jan1) }).ResponseAsync), e);
            IsTold(await Fault(async () => await App.Audit.Diff(new() { Id = Period, From = before, To = new() { Sequence = e.Sequence } }).ResponseStream.ReadAllAsync().ToListAsync()), e);
            Assert.Contains("\"draft\"", (await App.Audit.AsOfAsync(new() { Id = Period, At = before })).Json, StringComparison.Ordinal);
            Assert.Empty(await App.Audit.Diff(new() { Id = Period, From = before, To = before }).ResponseStream.ReadAllAsync().ToListAsync());
            // Before the period was opened nothing was known, and that is what is said.
            Assert.Equal(StatusCode.NotFound, (await Fault(() => App.Audit.AsOfAsync(new() { Id = Period, At = earlier }).ResponseAsync)).StatusCode);
            Assert.NotEmpty((await App.Audit.AsOfAsync(new() { Id = books.Two.CurrentPeriod.PeriodId })).Json);
        }
        finally
        {
            await PutBack(e);
        }
    }

    [Fact]
    public async Task What_can_be_read_and_not_rated_is_one_error_that_names_the_period()
    {
        var e = await Alter("period_opened", Period, "jsonb_set(data, '{planId}', '\"plan_of_nobody\"')");
        try
        {
            IsTold(await Fault(() => App.Audit.AsOfAsync(new() { Id = Period }).ResponseAsync), $"the invoice of {Period} as of now cannot be rated: ");
            IsTold(await Fault(() => App.Audit.AsOfAsync(new() { Id = books.January.InvoiceId }).ResponseAsync), $"the invoice of {Period} as of now cannot be rated: ");
            Assert.StartsWith("the invoice cannot be rated again: ", Assert.Single(await App.Replay(), r => r.InvoiceId == books.January.InvoiceId).Difference, StringComparison.Ordinal);
        }
        finally
        {
            await PutBack(e);
        }
    }

    [Fact]
    public async Task A_time_before_it_is_shown_even_where_it_does_not_say_its_own()
    {
        var e = await Alter("period_closed", Period, "data - 'at'");
        try
        {
            HistoryPoint Time(DateTimeOffset at) => new() { Time = at.ToTimestamp() };
            Assert.Contains("\"draft\"", (await App.Audit.AsOfAsync(new() { Id = Period, At = Time(Jan1.AddDays(5)) })).Json, StringComparison.Ordinal);
            IsTold(await Fault(() => App.Audit.AsOfAsync(new() { Id = Period, At = Time(Mar1) }).ResponseAsync), e);
        }
        finally
        {
            await PutBack(e);
        }
    }

    [Theory]
    [InlineData("credit_drawn", "jsonb_set(data, '{draws}', '7')")]
    [InlineData("money_credit_granted", "jsonb_set(data, '{amountMicros}', '\"much\"')")]
    public async Task One_of_an_account_is_told_of_that_customers_invoices(string type, string data)
    {
        var account = AccountIds.Of(books.Two.CustomerId);
        var e = await Alter(type, account, data);
        try
        {
            var different = (await App.Replay()).Where(r => !r.Identical).ToArray();
            Assert.NotEmpty(different);
            foreach (var r in different)
            {
                Assert.Contains($"{e.Name} cannot be read: ", r.Difference, StringComparison.Ordinal);
                Assert.Equal(books.Two.CustomerId, await App.Sql<string>($"select data ->> 'customerId' from billing.mt_events where stream_id = '{r.InvoiceId}' and type = 'invoice_finalized'"));
            }
            IsTold(await Fault(() => App.Audit.AsOfAsync(new() { Id = books.Two.CustomerId }).ResponseAsync), e);
            IsTold(await Fault(() => App.Ledger.GetTrialBalanceAsync(new()).ResponseAsync), e);
            Assert.NotEmpty((await App.Audit.AsOfAsync(new() { Id = books.One.CustomerId })).Json);
        }
        finally
        {
            await PutBack(e);
        }
    }

    [Fact]
    public async Task A_type_that_this_version_does_not_know_is_refused_as_such()
    {
        var sequence = await App.Sql<long>($"update billing.mt_events set type = 'usage_enchanted' where stream_id = '{Period}' and version = 2 returning seq_id");
        var refused = await Fault(() => App.Replay());
        await App.Sql<object>(string.Create(CultureInfo.InvariantCulture, $"update billing.mt_events set type = 'usage_applied' where seq_id = {sequence}"));
        Assert.Equal((StatusCode.FailedPrecondition, "event_type_unknown"), (refused.StatusCode, refused.GetRpcStatus()!.GetDetail<Google.Rpc.ErrorInfo>()!.Reason));
    }
}
