using Contracts.Messages;
using MassTransit;

namespace Billing.Host;

/// <summary>Takes published menus from the queue. One that cannot be taken is parked, and cannot be subscribed to.</summary>
public sealed class MenuPublishedConsumer(MenuReception menus, ParkedMessages parked, ILogger<MenuPublishedConsumer> log) : IConsumer<MenuPublished>
{
    public const string Queue = "billing-menu-published";

    public Task Consume(ConsumeContext<MenuPublished> context) => Patience.UntilStored(() => parked.TakeOrPark(ParkedMessages.Of(context.Message), async () =>
    {
        if (await menus.Take(context.Message, context.CancellationToken) is { } refusal) await parked.Park(ParkedMessages.Of(context.Message), refusal, context.CancellationToken);
    }, context.CancellationToken), log, context.CancellationToken);
}
