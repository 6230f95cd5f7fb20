using Contracts.Messages;
using MassTransit;

namespace Billing.Host;

/// <summary>Takes from the queue which menus went off sale. They may come before the menus themselves.</summary>
public sealed class MenuRetiredConsumer(MenuReception menus, ParkedMessages parked, ILogger<MenuRetiredConsumer> log) : IConsumer<MenuRetired>
{
    public const string Queue = "billing-menu-retired";

    public Task Consume(ConsumeContext<MenuRetired> context) => Patience.UntilStored(() => parked.TakeOrPark(ParkedMessages.Of(context.Message), async () =>
    {
        if (await menus.Take(context.Message, context.CancellationToken) is { } refusal) await parked.Park(ParkedMessages.Of(context.Message), refusal, context.CancellationToken);
    }, context.CancellationToken), log, context.CancellationToken);
}
