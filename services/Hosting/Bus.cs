using System.Runtime.ExceptionServices;
using MassTransit;
using MassTransit.Configuration;
using Microsoft.AspNetCore.Builder;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Options;

namespace Hosting;

/// <summary>RabbitMQ through MassTransit as every service here uses it. A host starts without the broker and waits for it.</summary>
public static class Bus
{
    private static readonly TimeSpan ConfirmWithin = TimeSpan.FromSeconds(30), HealthyWithin = TimeSpan.FromSeconds(5);

    /// <param name="consumers">Registers consumers.</param>
    /// <param name="endpoints">Declares the durable queues that this service reads, and binds consumers to them.</param>
    public static void AddBus(
        this WebApplicationBuilder builder,
        Action<IBusRegistrationConfigurator>? consumers = null,
        Action<IBusRegistrationContext, IRabbitMqBusFactoryConfigurator>? endpoints = null)
    {
        builder.AddValidatedOptions<RabbitMqOptions>(RabbitMqOptions.Section);
        builder.Services.AddOptions<MassTransitHostOptions>().Configure(o =>
        {
            o.WaitUntilStarted = false;
            o.StopTimeout = TimeSpan.FromSeconds(10);
        });
        builder.Services.AddMassTransit(bus =>
        {
            // A billing system tells nobody outside what it does.
            bus.DisableUsageTelemetry();
            consumers?.Invoke(bus);
            bus.UsingRabbitMq((context, rabbit) =>
            {
                rabbit.Host(new Uri(context.GetRequiredService<IOptions<RabbitMqOptions>>().Value.Uri));
                endpoints?.Invoke(context, rabbit);
            });
        });
    }

    /// <summary>A queue that survives its broker, and on a cluster of brokers any minority of them (<c>RabbitMq__QuorumQueues</c>).</summary>
    public static void DurableEndpoint(this IRabbitMqBusFactoryConfigurator rabbit, IBusRegistrationContext context, string queue, Action<IRabbitMqReceiveEndpointConfigurator> configure) =>
        rabbit.ReceiveEndpoint(queue, endpoint =>
        {
            if (context.GetRequiredService<IOptions<RabbitMqOptions>>().Value.QuorumQueues) endpoint.SetQuorumQueue();
            configure(endpoint);
        });

    /// <summary>
    /// Publishes and returns when the broker has taken the message for good. A mandatory one that no queue takes is an error
    /// (<see cref="MessageReturnedException"/>), for then another of our services would never hear of it.
    /// </summary>
    /// <exception cref="OperationCanceledException">The broker did not confirm within 30 seconds.</exception>
    public static async Task PublishConfirmed<T>(this IBusControl bus, T message, Guid messageId, bool mandatory, CancellationToken ct)
        where T : class
    {
        // Publishing while the broker is away would wait for ever, and a publish that was under way when its connection broke may not hear of
        // its own cancellation: nobody waits for it longer than this either way. The message may then go out twice, as consumers expect.
        using var timeout = CancellationTokenSource.CreateLinkedTokenSource(ct);
        timeout.CancelAfter(ConfirmWithin);
        await GivenAMoment(bus, timeout.Token);
        await bus.PublishNow(message, messageId, mandatory, timeout.Token);
    }

    private static Task PublishNow<T>(this IBusControl bus, T message, Guid messageId, bool mandatory, CancellationToken ct)
        where T : class => bus.Publish(message, context =>
    {
        // This is called for each attempt of MassTransit's own: none is made after the end.
        ct.ThrowIfCancellationRequested();
        context.MessageId = messageId;
        if (mandatory) context.Mandatory = true;
    }, ct).WaitAsync(ct);

    /// <summary>
    /// Publishes many at once, in order, and returns how many from the first on the broker has taken for good. With the first that it refuses the others end too, for
    /// whoever publishes again from there on keeps the order: some of those after it may then come twice.
    /// </summary>
    /// <exception cref="MessageReturnedException">Not even the first: no queue takes it.</exception>
    /// <exception cref="OperationCanceledException">Likewise: the broker did not confirm within 30 seconds.</exception>
    public static async Task<int> PublishConfirmed<T>(this IBusControl bus, IReadOnlyList<(T Message, Guid Id)> messages, bool mandatory, CancellationToken ct)
        where T : class
    {
        using var timeout = CancellationTokenSource.CreateLinkedTokenSource(ct);
        timeout.CancelAfter(ConfirmWithin);
        // Once for all: each waiting by itself would go on in any order.
        await GivenAMoment(bus, timeout.Token);
        // And MassTransit would send each that is refused again by itself, later and in any order.
        var refusal = new FirstRefused([.. messages.Select(m => m.Id)], timeout);
        using var watching = bus.ConnectPublishObserver(refusal);
        var publishing = new List<Task>(messages.Count);
        foreach (var (message, id) in messages)
        {
            publishing.Add(bus.PublishNow(message, id, mandatory, timeout.Token));
            // The first one tells whether the broker is there; those that follow it are handed over one by one, and confirmed together.
            if (publishing.Count > 1) continue;
            try { await publishing[0]; }
            catch (OperationCanceledException) when (refusal.Why is not null) { ExceptionDispatchInfo.Throw(refusal.Why!); }
        }
        await Task.WhenAll(publishing).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        return publishing.TakeWhile(p => p.IsCompletedSuccessfully).Count();
    }

    /// <summary>Ends a bulk as soon as one of it is refused.</summary>
    private sealed class FirstRefused(HashSet<Guid> bulk, CancellationTokenSource end) : IPublishObserver
    {
        public Exception? Why { get; private set; }

        public Task PrePublish<T>(PublishContext<T> context) where T : class => Task.CompletedTask;

        public Task PostPublish<T>(PublishContext<T> context) where T : class => Task.CompletedTask;

        public Task PublishFault<T>(PublishContext<T> context, Exception exception)
            where T : class
        {
            if (context.MessageId is not { } id || !bulk.Contains(id)) return Task.CompletedTask;
            Why ??= exception;
            return end.CancelAsync();
        }
    }

    // A bus that is whole again publishes at once. One whose queues are still recovering can publish all the same, so it is not waited for long.
    private static async Task GivenAMoment(IBusControl bus, CancellationToken ct)
    {
        using var moment = CancellationTokenSource.CreateLinkedTokenSource(ct);
        moment.CancelAfter(HealthyWithin);
        try { await bus.WaitForHealthStatus(BusHealthStatus.Healthy, moment.Token); }
        catch (OperationCanceledException) when (!ct.IsCancellationRequested) { /* The publish itself will tell. */ }
    }
}
