using MassTransit;
using Microsoft.Extensions.DependencyInjection;

namespace Hosting.Tests;

public sealed record CoinSeen(string Coin);
public sealed record CoinLost(string Coin);

public sealed class BusTests(JarsFixture jars) : IClassFixture<JarsFixture>
{
    private IBusControl Control => jars.Host.Get<IBusControl>();
    private static readonly Guid Id = new("0199c000-0000-7000-8000-000000000001");

    [Fact]
    public async Task A_mandatory_message_that_no_queue_takes_is_an_error_and_another_is_not()
    {
        await Control.PublishConfirmed(new CoinLost("a"), Id, mandatory: false, CancellationToken.None);
        await Assert.ThrowsAsync<MessageReturnedException>(() => Control.PublishConfirmed(new CoinLost("a"), Id, mandatory: true, CancellationToken.None));
    }

    [Fact]
    public async Task A_mandatory_message_reaches_the_queue_that_is_bound_for_it_under_its_own_id()
    {
        var seen = new TaskCompletionSource<(Guid?, CoinSeen)>(TaskCreationOptions.RunContinuationsAsynchronously);
        var reader = MassTransit.Bus.Factory.CreateUsingRabbitMq(rabbit =>
        {
            rabbit.Host(jars.RabbitMq);
            rabbit.ReceiveEndpoint("coins", e => e.Handler<CoinSeen>(c =>
            {
                seen.TrySetResult((c.MessageId, c.Message));
                return Task.CompletedTask;
            }));
        });
        await reader.StartAsync();
        await Control.PublishConfirmed(new CoinSeen("b"), Id, mandatory: true, CancellationToken.None);
        Assert.Equal((Id, new CoinSeen("b")), await seen.Task.WaitAsync(TimeSpan.FromSeconds(30)));
        await reader.StopAsync();
    }
}
