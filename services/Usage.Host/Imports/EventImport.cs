using Contracts.Usage.V1;
using Google.Protobuf.WellKnownTypes;
using Microsoft.Extensions.Options;
using Usage.Host.Cluster;
using Usage.Host.Owners;
using Usage.Imports;

namespace Usage.Host.Imports;

/// <summary>What is wrong with one event of a batch.</summary>
/// <param name="Index">from 0, in the order in which they were sent</param>
public sealed record EventFault(int Index, string? Source, string? Id, string Reason, string Detail);

/// <summary>
/// Brings other systems' events into the ledger, each once. First its key is fixed, with the id of the generation that will record it; then
/// that generation is told to its owner, which decides and records; then the key is marked. Whatever is lost between these steps, a repeat
/// finds the key, tells the same generation again, and the ledger recognises it.
/// </summary>
public sealed class EventImport(ImportedEvents keys, SubscriptionLookup subscriptions, OwnerRoutes routes, BusinessClock clock, IOptions<UsageOptions> options)
{
    /// <summary>Returns when every event is committed; with faults nothing was taken.</summary>
    /// <exception cref="RefusedException">owner_moved, or a reason of the owner's: what was recorded is recorded, and the rest may be sent again</exception>
    public async Task<IReadOnlyList<EventFault>> TakeAsync(IReadOnlyList<CloudEvent> cloudEvents, CancellationToken ct)
    {
        var faults = new List<EventFault>();
        var events = new Dictionary<(string Source, string Id), (int Index, ImportedEvent Event)>();
        foreach (var (index, cloudEvent) in cloudEvents.Index())
        {
            if (cloudEvent.Read(out var read) is { } fault) faults.Add(new(index, cloudEvent.Source, cloudEvent.Id, fault.Code, fault.Detail));
            else if (!events.TryAdd((read.Source, read.Id), (index, read)) && !events[(read.Source, read.Id)].Event.Content().AsSpan().SequenceEqual(read.Content()))
                faults.Add(new(index, read.Source, read.Id, Reasons.EventReused, "an event of the same batch has this source and id, and says something else"));
        }
        var unknown = await subscriptions.UnknownAsync([.. events.Values.Select(e => e.Event.Subscription).Distinct()], ct);
        faults.AddRange(events.Values.Where(e => unknown.Contains(e.Event.Subscription)).Select(e => new EventFault(
            e.Index, e.Event.Source, e.Event.Id, Reasons.SubscriptionUnknown, $"subject: neither usage nor billing knows {Ids.Format(Ids.Subscription, e.Event.Subscription)}; check it, or create it first")));
        // Keys are fixed for good, so not for a batch that must be mended: what mending changes could not come under them again.
        if (faults.Count > 0) return faults;

        var keyed = await keys.FixAsync([.. events.Values.Select(e => e.Event)], ct);
        var oldest = clock.Now - TimeSpan.FromDays(options.Value.RetentionDays);
        foreach (var key in keyed)
        {
            var index = events[(key.Event.Source, key.Event.Id)].Index;
            if (!key.SameContent)
                faults.Add(new(index, key.Event.Source, key.Event.Id, Reasons.EventReused, "this source and id were imported with other content; the first one counts, a new event takes a new id"));
            else if (!key.Recorded && Ids.TimeOf(key.Generation) < oldest)
                faults.Add(new(index, key.Event.Source, key.Event.Id, Reasons.EventTooOld,
                    $"it was first received more than {options.Value.RetentionDays} days ago, and its answer was lost; look for {Answers.Id(key.Generation)} in the ledger, and if it is not there give the event a new id"));
        }
        if (faults.Count > 0) return faults;

        KeyedEvent[] left = [.. keyed.Where(k => !k.Recorded)];
        await Task.WhenAll(left.GroupBy(k => k.Event.Subscription).Select(group => routes.ImportAsync(group.Key, Told(group), ct)));
        if (left.Length > 0) await keys.MarkAsync(left, ct);
        return [];
    }

    /// <summary>A generation each: its Start and its Finish, one after the other, the same at every attempt.</summary>
    private static MeterRequest Told(IEnumerable<KeyedEvent> events)
    {
        var request = new MeterRequest();
        foreach (var key in events)
        {
            var (id, prompt, generated) = (Answers.Id(key.Generation), key.Event.Prompt, key.Event.Generated);
            request.Frames.Add(new RuntimeFrame
            {
                Start = new Start
                {
                    GenerationId = id,
                    SubscriptionId = Ids.Format(Ids.Subscription, key.Event.Subscription),
                    Conversation = key.Event.Conversation.Length > 0 ? key.Event.Conversation : id,
                    Model = key.Event.Model,
                    Prompt = new TokenCounts { Input = prompt.Input, CachedInput = prompt.CachedInput, CacheCreation = prompt.CacheCreation },
                },
            });
            request.Frames.Add(new RuntimeFrame
            {
                Finish = new Finish
                {
                    GenerationId = id,
                    Sequence = 1,
                    Reason = FinishReason.Stop,
                    Totals = new TokenCounts { Output = generated.Output, Reasoning = generated.Reasoning },
                    At = key.At?.ToTimestamp(),
                },
            });
        }
        return request;
    }
}
