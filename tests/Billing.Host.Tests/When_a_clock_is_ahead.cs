using Grpc.Core;
using Npgsql;
using static Billing.Host.Tests.BillingApp;

namespace Billing.Host.Tests;

public sealed class When_a_clock_is_ahead
{
    /// <summary>The instance's is right, and the database says that it is two minutes earlier: one of them is wrong, and it cannot know which.</summary>
    [Fact]
    public async Task A_call_that_would_change_something_is_refused_until_the_clock_is_right()
    {
        await using var app = await PrepareAsync();
        await app.Sql<object>("create schema past; grant usage on schema past to public");
        await app.Sql<object>(ClockOfDatabase("pg_catalog.clock_timestamp() - interval '2 minutes'"));
        // Its functions come before those of the same name that PostgreSQL has.
        app.Settings["Billing:Postgres"] = new NpgsqlConnectionStringBuilder(app.Database.ConnectionString("billing")) { SearchPath = "past, pg_catalog, public" }.ConnectionString;
        app.Settings["Clock:Mode"] = "Real";
        await app.ListenAsync();
        await app.RunAsync();

        var refused = await Assert.ThrowsAsync<RpcException>(async () => await app.Billing.CreateCustomerAsync(new() { Currency = "USD" }));
        Assert.Equal((StatusCode.FailedPrecondition, "clock_ahead"), (refused.StatusCode, refused.GetRpcStatus()!.GetDetail<Google.Rpc.ErrorInfo>()!.Reason));
        Assert.Empty((await app.Billing.ListCustomersAsync(new())).Customers);

        await app.Sql<object>(ClockOfDatabase("pg_catalog.clock_timestamp()"));
        await Eventually.True(async () => (await app.Billing.CreateCustomerAsync(new() { Currency = "USD" })).CustomerId.Length > 0, "it takes calls again");
    }

    private static string ClockOfDatabase(string time) => $"create or replace function past.clock_timestamp() returns timestamptz language sql as $$ select {time} $$";

    [Theory]
    [InlineData("billing.v1.Billing/Subscribe", true), InlineData("billing.v1.Invoicing/FinalizeInvoice", true), InlineData("billing.v1.Operations/ReplayParkedMessage", true)]
    [InlineData("billing.v1.Billing/GetSubscription", false), InlineData("billing.v1.Billing/PreviewChange", false), InlineData("billing.v1.Audit/Replay", false)]
    [InlineData("billing.v1.Statements/GetStatement", false), InlineData("clock.v1.BusinessClock/Advance", false), InlineData("grpc.health.v1.Health/Check", false)]
    public void What_only_reads_is_answered_by_any_clock(string method, bool changes) => Assert.Equal(changes, BillingAccess.Changes(method));
}
