using Billing.Invoices;
using Google.Rpc;
using Grpc.Core;
using static Billing.Host.Tests.BillingApp;

namespace Billing.Host.Tests;

/// <summary>A move from another system keeps its numbering.</summary>
public sealed class When_numbers_go_on
{
    [Fact]
    public async Task B2_the_first_invoice_follows_the_last_of_the_other_system_here_and_where_the_books_are_imported()
    {
        await using var app = await BillingApp.StartAsync();
        Assert.Equal("series_unknown", await Refused("ABC", 4_711));
        Assert.Equal("last_number_invalid", await Refused("INV", 0));
        await app.Agreements.ContinueNumberingAsync(new() { Series = "INV", LastNumber = 47_111 });
        await Task.WhenAll(Enumerable.Range(0, 4).Select(_ => app.Agreements.ContinueNumberingAsync(new() { Series = "INV", LastNumber = 4_711 }).ResponseAsync));
        Assert.Equal(2, await app.Sql<long>("select count(*) from billing.mt_events where type = 'numbering_continued'"));
        var continued = Assert.Single((await app.Agreements.GetSellerAsync(new())).Continued);
        Assert.Equal(("INV", 4_711), (continued.Series, continued.LastNumber));

        await app.CaughtUp();
        var before = await app.Audit.Export(new()).ResponseStream.ReadAllAsync().Select(l => l.Json).ToListAsync();
        await app.Subscribe(Small);
        await app.Subscribe(Small, "another");
        await app.Advance(Feb1.AddHours(1));
        Assert.Equal(["INV-004712", "INV-004713"], (await app.FinalInvoices()).Select(i => i.Number).Order());
        Assert.Equal("numbers_given", await Refused("INV", 9_000));
        Assert.All(await app.Replay(), r => Assert.True(r.Identical, r.Difference));

        await using var moved = await BillingApp.PrepareAsync();
        await BooksImport.RunAsync(moved.Database.ConnectionString("billing"), before, new("ada", "moved"), default);
        Assert.Equal(4_711, await moved.Sql<long>("select last_number from billing.number_series where series = 'INV'"));

        async Task<string> Refused(string series, long last) =>
            (await Assert.ThrowsAsync<RpcException>(() => app.Agreements.ContinueNumberingAsync(new() { Series = series, LastNumber = last }).ResponseAsync)).GetRpcStatus()!.GetDetail<ErrorInfo>()!.Reason;
    }
}
