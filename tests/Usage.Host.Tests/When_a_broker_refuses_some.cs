using System.Collections.Concurrent;
using Contracts.Messages;
using MassTransit;
using Xunit.Abstractions;

namespace Usage.Host.Tests;

/// <summary>A queue that is full for a moment: the broker refuses some messages of a bulk (basic.nack) and confirms others after them.</summary>
public sealed class When_a_broker_refuses_some(ITestOutputHelper output)
{
    private const int Reports = 60;

    [Fact]
    public async Task U4_U5_nothing_is_marked_past_the_first_that_was_refused_and_all_from_it_on_are_sent_again_in_order()
    {
        await using var service = await UsageService.PrepareAsync();
        await service.StartHostAsync();
        await service.ReadyAsync();
        await service.ScalarAsync<long>($"""
            insert into usage.batch (shard, number, row_count, root, previous_chain, chain, committed_at)
            select 0, n, 0, sha256(convert_to('root' || n, 'UTF8')), sha256(convert_to('chain' || n - 1, 'UTF8')), sha256(convert_to('chain' || n, 'UTF8')), now() from generate_series(1, {Reports}) n;
            insert into usage.report (shard, number, first_batch, last_batch, previous_chain, chain, recorded_at)
            select shard, number, number, number, previous_chain, chain, committed_at from usage.batch;
            update usage.shard set last_batch = {Reports}, last_report = {Reports}, reported_batch = {Reports} where shard = 0;
            select 1
            """);
        var heard = new ConcurrentQueue<long>();
        var bus = MassTransit.Bus.Factory.CreateUsingRabbitMq(rabbit =>
        {
            rabbit.Host(service.Broker);
            rabbit.ReceiveEndpoint("billing-usage-recorded", queue =>
            {
                // Room for ten, and whatever is beyond is refused until one of them is taken.
                queue.SetQueueArgument("x-max-length", 10);
                queue.SetQueueArgument("x-overflow", "reject-publish");
                (queue.PrefetchCount, queue.ConcurrentMessageLimit) = (1, 1);
                queue.Handler<UsageRecorded>(context =>
                {
                    heard.Enqueue(context.Message.Number);
                    return Task.CompletedTask;
                });
            });
        });
        await bus.StartAsync();
        try
        {
            await Eventually.True(async () => await service.ScalarAsync<long>("select count(*) from usage.report where not published") == 0, "all reports are marked", TimeSpan.FromMinutes(2));
            await Eventually.True(() => heard.Distinct().Count() == Reports, "each report was taken by the queue");
        }
        finally
        {
            await bus.StopAsync();
        }
        output.WriteLine(string.Join(' ', heard));
        // Whatever came before a report that is earlier came again after it.
        var order = heard.ToList();
        for (var (number, before) = (1L, -1); number <= Reports; number++)
        {
            Assert.True(order.LastIndexOf(number) > before, $"{number} came for the last time before an earlier report had come");
            before = Math.Max(before, order.IndexOf(number));
        }
    }
}
