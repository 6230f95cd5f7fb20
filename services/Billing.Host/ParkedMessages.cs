using System.Text.Json;
using Billing.Periods;
using Contracts.Messages;
using Marten;
using MassTransit;

namespace Billing.Host;

/// <summary>A message to be parked: under its own key, so that it is parked once however often it comes.</summary>
/// <param name="Body">JSON, from which it is taken again</param>
public sealed record UntakenMessage(string Id, string Body);

/// <summary>The one place for messages that billing could not take, whatever the reason: refused, failed or unreadable. Nothing is dropped, and all can be taken again.</summary>
public sealed class ParkedMessages(IDocumentStore store, BusinessClock clock, ILogger<ParkedMessages> log)
{
    internal const string Report = "UsageRecorded/";
    private const string Menu = "MenuPublished/", Retired = "MenuRetired/", Unreadable = "unreadable", Failed = "failed";

    public static UntakenMessage Of(MenuPublished message) => new($"{Menu}{message.MenuId}", JsonSerializer.Serialize(message));

    public static UntakenMessage Of(MenuRetired message) => new($"{Retired}{message.MenuId}", JsonSerializer.Serialize(message));

    internal static string ReportId(int shard, long number) => $"{Report}{shard}/{number}";

    public static UntakenMessage Of(UsageReport report) => new(ReportId(report.Shard, report.Number), JsonSerializer.Serialize(report));

    public async Task Park(UntakenMessage message, Refusal refusal, CancellationToken ct)
    {
        await using var session = store.LightweightSession();
        session.Store(new ParkedMessage(message.Id, refusal.Code, refusal.Detail, message.Body, clock.Now));
        await session.SaveChangesAsync(ct);
        log.LogError("{Message} is parked, and nothing that needs it goes on before it is taken: {Reason}, {Detail}", message.Id, refusal.Code, refusal.Detail);
    }

    /// <summary>Takes a message, or parks it where billing fails at it. While the database is away it is neither: whoever calls waits and tries again.</summary>
    public async Task TakeOrPark(UntakenMessage message, Func<Task> take, CancellationToken ct)
    {
        try
        {
            await take();
        }
        catch (Exception e) when (IsOurs(e))
        {
            await Park(message, Failure(e), ct);
        }
    }

    private static bool IsOurs(Exception e) => !StoreFailure.Is(e) && e is not OperationCanceledException;

    private static Refusal Failure(Exception e) => new(Failed, $"{e.GetBaseException().GetType().Name}: {e.GetBaseException().Message}");

    /// <summary>Parks what came from a queue and reached no consumer, for it could not be read.</summary>
    public Task Park(string queue, ExceptionReceiveContext context)
    {
        var body = context.Body.GetString();
        var message = Readable(queue, body);
        return Park(
            message ?? new($"{queue}/{context.GetMessageId()?.ToString("N") ?? Convert.ToHexStringLower(System.Security.Cryptography.SHA256.HashData(context.Body.GetBytes()))}", body),
            message is null ? Failure(context.Exception) with { Code = Unreadable } : Failure(context.Exception), context.CancellationToken);
    }

    public async Task<IReadOnlyList<ParkedMessage>> List(string after, int most, CancellationToken ct)
    {
        await using var session = store.QuerySession();
        return await session.Query<ParkedMessage>().Where(m => m.Id.CompareTo(after) > 0).OrderBy(m => m.Id).Take(most).ToListAsync(ct);
    }

    /// <exception cref="RefusedException">parked_unknown</exception>
    public async Task<ParkedMessage> Find(string id, CancellationToken ct)
    {
        await using var session = store.QuerySession();
        return await session.LoadAsync<ParkedMessage>(id, ct)
            ?? throw new Refusal("parked_unknown", $"no message is parked as {id}: it was taken meanwhile, or the id is another one").AsException();
    }

    /// <summary>Takes a parked message as if it came now. Whatever it brings is in the books once: what was taken already changes nothing.</summary>
    /// <returns>why it is still parked; null when it is taken</returns>
    public async Task<Refusal?> Replay(ParkedMessage parked, UsageReports reports, MenuReception menus, CancellationToken ct)
    {
        var id = parked.Id;
        await using var session = store.LightweightSession();
        var refusal = await Take(parked, reports, menus, ct);
        if (refusal is { } still)
        {
            await Park(new(id, parked.Body), still, ct);
            return still;
        }
        session.Delete<ParkedMessage>(id);
        await session.SaveChangesAsync(ct);
        log.LogInformation("{Message} was parked and is taken", id);
        return null;
    }

    private static async Task<Refusal?> Take(ParkedMessage parked, UsageReports reports, MenuReception menus, CancellationToken ct)
    {
        try
        {
            if (parked.Id.StartsWith(Menu, StringComparison.Ordinal)) return await menus.Take(JsonSerializer.Deserialize<MenuPublished>(parked.Body)!, ct);
            if (parked.Id.StartsWith(Retired, StringComparison.Ordinal)) return await menus.Take(JsonSerializer.Deserialize<MenuRetired>(parked.Body)!, ct);
            if (parked.Id.StartsWith(Report, StringComparison.Ordinal)) return await reports.Replay(JsonSerializer.Deserialize<UsageReport>(parked.Body)!, ct);
            // A message that could not be read then, and that this version may be able to read.
            return Readable(parked.Id[..parked.Id.LastIndexOf('/')], parked.Body) is { } message
                ? await Take(parked with { Id = message.Id, Body = message.Body }, reports, menus, ct)
                : new Refusal(parked.Reason, parked.Detail);
        }
        catch (Exception e) when (IsOurs(e))
        {
            return Failure(e);
        }
    }

    /// <summary>What the message is, out of its envelope; null where it is not what its queue is for.</summary>
    private static UntakenMessage? Readable(string queue, string envelope)
    {
        try
        {
            using var json = JsonDocument.Parse(envelope);
            var message = json.RootElement.GetProperty("message");
            return queue switch
            {
                MenuPublishedConsumer.Queue => Of(message.Deserialize<MenuPublished>(JsonSerializerOptions.Web)!),
                MenuRetiredConsumer.Queue => Of(message.Deserialize<MenuRetired>(JsonSerializerOptions.Web)!),
                UsageRecordedConsumer.Queue => Of(UsageRecordedConsumer.Pure(message.Deserialize<UsageRecorded>(JsonSerializerOptions.Web)!)),
                _ => null,
            };
        }
        catch (Exception e) when (e is JsonException or KeyNotFoundException or InvalidOperationException or ArgumentException or NullReferenceException)
        {
            return null;
        }
    }
}

/// <summary>The last station of a queue's messages that no consumer could take: in place of a queue of errors, which nobody reads.</summary>
/// <param name="services">asked when something failed, for the store is built with publishers that need the bus, and this is a part of the bus</param>
public sealed class ParkFaults(string queue, IServiceProvider services) : IFilter<ExceptionReceiveContext>
{
    public Task Send(ExceptionReceiveContext context, IPipe<ExceptionReceiveContext> next) => context.Exception.GetBaseException() is OperationCanceledException
        // Stopped in the middle of it: it goes back to its queue.
        ? Task.FromException(context.Exception)
        : Patience.UntilStored(
            () => services.GetRequiredService<ParkedMessages>().Park(queue, context), services.GetRequiredService<ILogger<ParkFaults>>(), context.CancellationToken);

    public void Probe(ProbeContext context) => context.CreateFilterScope("parkFaults");
}
