using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using Billing.Periods;
using Contracts.Messages;
using Marten;
using MassTransit;

namespace Billing.Host;

/// <summary>A message to be parked: under its own key and a hash of what it says, so that it is parked once however often it comes, and never in the place of another.</summary>
/// <param name="Body">JSON, from which it is taken again</param>
public sealed record UntakenMessage(string Id, string Body);

/// <summary>The one place for messages that billing could not take, whatever the reason: refused, failed or unreadable. Nothing is dropped, and all can be taken again.</summary>
public sealed class ParkedMessages(IDocumentStore store, BusinessClock clock, ILogger<ParkedMessages> log)
{
    internal const string Report = "UsageRecorded/";
    private const string Menu = "MenuPublished/", Retired = "MenuRetired/", Unreadable = "unreadable", Unknown = "type_unknown", Failed = "failed";
    private const int HashDigits = 12;

    public static UntakenMessage Of(MenuPublished message) => Of($"{Menu}{message.MenuId}", JsonSerializer.Serialize(message));

    public static UntakenMessage Of(MenuRetired message) => Of($"{Retired}{message.MenuId}", JsonSerializer.Serialize(message));

    /// <summary>What the ids of a report's messages begin with; of one that was parked before they were told apart, all of it.</summary>
    internal static string ReportId(int shard, long number) => $"{Report}{shard}/{number}";

    /// <summary>The same whether it came by message or was fetched: what it says counts, and not how its time is written.</summary>
    public static UntakenMessage Of(UsageReport report) => new(IdOf(report), JsonSerializer.Serialize(report));

    /// <summary>Under which this very report may be parked.</summary>
    internal static string[] IdsOf(UsageReport report) => [IdOf(report), ReportId(report.Shard, report.Number)];

    private static string IdOf(UsageReport report) => $"{ReportId(report.Shard, report.Number)}/{Hash($"{report.Chain} {JsonSerializer.Serialize(report.Lines)}")}";

    private static UntakenMessage Of(string key, string body) => new($"{key}/{Hash(body)}", body);

    private static string Hash(string said) => Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(said)))[..HashDigits];

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
            message ?? AsItCame(queue, context),
            message is null ? Failure(context.Exception) with { Code = Unreadable } : Failure(context.Exception), context.CancellationToken);
    }

    /// <summary>Parks what came from a queue and is of a type that none of its consumers takes: a newer sender's, or a stranger's.</summary>
    public Task ParkUnknown(string queue, ReceiveContext context) => Park(
        AsItCame(queue, context), new(Unknown, $"{string.Join(", ", TypesOf(context.Body.GetString()))} is not what {queue} is for; deploy a newer billing first if its sender is newer"), context.CancellationToken);

    private static UntakenMessage AsItCame(string queue, ReceiveContext context) =>
        new($"{queue}/{context.GetMessageId()?.ToString("N") ?? Convert.ToHexStringLower(SHA256.HashData(context.Body.GetBytes()))}", context.Body.GetString());

    public async Task<IReadOnlyList<ParkedMessage>> List(string after, int most, bool setAsideToo, CancellationToken ct)
    {
        await using var session = store.QuerySession();
        var all = session.Query<ParkedMessage>().Where(m => m.Id.CompareTo(after) > 0);
        return await (setAsideToo ? all : all.Where(m => m.SetAsideAt == null)).OrderBy(m => m.Id).Take(most).ToListAsync(ct);
    }

    /// <summary>Sets a message aside in a session: one that changes nothing in the books, whatever becomes of it.</summary>
    /// <exception cref="RefusedException">parked_waited_for: something does not go on before this one is taken</exception>
    public void SetAside(IDocumentSession session, ParkedMessage parked)
    {
        if (parked.Reason is not (UsageReports.Changed or Unknown or Unreadable))
            throw new Refusal("parked_waited_for", $"{parked.Id} is parked for {parked.Reason}, and what needs it waits: mend the cause, and take it with ReplayParkedMessage").AsException();
        session.Store(parked with { SetAsideAt = clock.Now });
    }

    /// <exception cref="RefusedException">parked_unknown</exception>
    public async Task<ParkedMessage> Find(string id, CancellationToken ct)
    {
        await using var session = store.QuerySession();
        return await session.LoadAsync<ParkedMessage>(id, ct)
            ?? throw new Refusal("parked_unknown", $"no message is parked as {id}: it was taken meanwhile, or the id is another one").AsException();
    }

    /// <summary>Takes a parked message as if it came now. Whatever it brings is in the books once: what was taken already changes nothing.</summary>
    /// <param name="alongside">written in the last transaction, when what it brings is in the books: that is written by whoever takes it, in transactions of his own</param>
    /// <returns>why it is still parked; null when it is taken</returns>
    public async Task<Refusal?> Replay(ParkedMessage parked, UsageReports reports, MenuReception menus, Action<IDocumentSession> alongside, CancellationToken ct)
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
        alongside(session);
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

    private static readonly Dictionary<string, string> Types = new()
    {
        [MenuPublishedConsumer.Queue] = nameof(MenuPublished), [MenuRetiredConsumer.Queue] = nameof(MenuRetired), [UsageRecordedConsumer.Queue] = nameof(UsageRecorded),
    };

    /// <summary>What an envelope says that its message is; nothing where it is no envelope.</summary>
    private static string[] TypesOf(string envelope)
    {
        try
        {
            using var json = JsonDocument.Parse(envelope);
            return json.RootElement.TryGetProperty("messageType", out var types) ? [.. types.EnumerateArray().Select(t => t.GetString() ?? "")] : [];
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException)
        {
            return [];
        }
    }

    /// <summary>What the message is, out of its envelope; null where it is not what its queue is for.</summary>
    private static UntakenMessage? Readable(string queue, string envelope)
    {
        try
        {
            using var json = JsonDocument.Parse(envelope);
            // Of another type it may look the same and mean something else.
            if (TypesOf(envelope) is { Length: > 0 } types && !types.Any(t => Types.GetValueOrDefault(queue) is { } type && t.EndsWith($":{type}", StringComparison.Ordinal))) return null;
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
            () =>
            {
                context.GetOrAddPayload(() => new ParkedAlready());
                return services.GetRequiredService<ParkedMessages>().Park(queue, context);
            }, services.GetRequiredService<ILogger<ParkFaults>>(), context.CancellationToken);

    public void Probe(ProbeContext context) => context.CreateFilterScope("parkFaults");
}

/// <summary>Of a message that failed before a consumer had it: it comes by the station of the skipped as well.</summary>
internal sealed record ParkedAlready;

/// <summary>Likewise of those that no consumer is there for: in place of a queue of skipped ones.</summary>
public sealed class ParkUnknown(string queue, IServiceProvider services) : IFilter<ReceiveContext>
{
    public Task Send(ReceiveContext context, IPipe<ReceiveContext> next) => context.HasPayloadType(typeof(ParkedAlready)) ? Task.CompletedTask : Patience.UntilStored(
        () => services.GetRequiredService<ParkedMessages>().ParkUnknown(queue, context), services.GetRequiredService<ILogger<ParkUnknown>>(), context.CancellationToken);

    public void Probe(ProbeContext context) => context.CreateFilterScope("parkUnknown");
}
