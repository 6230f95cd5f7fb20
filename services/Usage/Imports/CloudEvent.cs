using System.Globalization;
using System.Text;
using System.Text.Json;

namespace Usage.Imports;

/// <summary>
/// The attributes of a CloudEvent (specification 1.0.2) that matter here, and its data. How they travel, in one JSON object or in headers, is
/// for whoever received it to know.
/// </summary>
/// <param name="Fault">what is wrong with how it is written, such as with the names of its members: <see cref="MemberNames.Fault"/></param>
public sealed record CloudEvent(string? SpecVersion, string? Source, string? Id, string? Type, string? Subject, string? Time, JsonElement Data, string? Fault)
{
    private const int KeyBytesMax = 1_024, NameBytesMax = 128;
    private const string NoBase64 = "data_base64 must be the base64 of a JSON object";
    // What any database and any language can hold; outside it a clock is broken.
    private static readonly DateTimeOffset Earliest = new(2000, 1, 1, 0, 0, 0, TimeSpan.Zero), Latest = new(2200, 1, 1, 0, 0, 0, TimeSpan.Zero);

    /// <summary>An event in structured mode, where attributes and data are members of one object. What is missing, or no text, is found when it is read.</summary>
    public static CloudEvent Of(JsonElement json)
    {
        var fault = MemberNames.Fault(json);
        // Beside a name that is no text no other one can be looked up.
        if (json.ValueKind != JsonValueKind.Object || fault == MemberNames.NoText) return new CloudEvent(null, null, null, null, null, null, default, fault);
        return new CloudEvent(
            EventCounts.Text(json, "specversion"), EventCounts.Text(json, "source"), EventCounts.Text(json, "id"), EventCounts.Text(json, "type"), EventCounts.Text(json, "subject"),
            EventCounts.IsGiven(json, "time") ? EventCounts.Text(json, "time") ?? "" : null, DataOf(json, ref fault), fault);
    }

    /// <summary>As a member, or as the base64 of its JSON: the format has both.</summary>
    private static JsonElement DataOf(JsonElement json, ref string? fault)
    {
        if (!EventCounts.IsGiven(json, "data_base64")) return json.TryGetProperty("data", out var data) ? data : default;
        if (EventCounts.IsGiven(json, "data")) fault ??= "data and data_base64 may not stand together";
        try
        {
            var decoded = JsonSerializer.Deserialize<JsonElement>(Convert.FromBase64String(EventCounts.Text(json, "data_base64") ?? "?"));
            fault ??= decoded.ValueKind == JsonValueKind.Object ? MemberNames.Fault(decoded) : NoBase64;
            return decoded;
        }
        catch (Exception e) when (e is FormatException or JsonException)
        {
            fault ??= NoBase64;
            return default;
        }
    }

    /// <summary>What it says about usage, or what is wrong with it.</summary>
    public Refusal? Read(out ImportedEvent imported)
    {
        imported = null!;
        if (Fault is not null) return EventCounts.Invalid(Fault);
        if (SpecVersion != "1.0") return EventCounts.Invalid("specversion must be 1.0");
        if (!IsText(Source, KeyBytesMax)) return EventCounts.Invalid($"source must be text of 1 to {KeyBytesMax} bytes");
        if (!IsText(Id, KeyBytesMax)) return EventCounts.Invalid($"id must be text of 1 to {KeyBytesMax} bytes");
        if (!IsText(Type, NameBytesMax)) return EventCounts.Invalid($"type must be text of 1 to {NameBytesMax} bytes");
        if (!Ids.TryParse(Ids.Subscription, Subject, out var subscription))
            return EventCounts.Invalid("subject must be the id of a subscription, sub_ and 32 lower-case hex digits; have the producer send that as its user");
        if (ReadTime(out var time) is { } wrongTime) return wrongTime;
        if (Data.ValueKind != JsonValueKind.Object) return EventCounts.Invalid("data must be a JSON object");
        if (EventCounts.Read(Data, out var prompt, out var generated) is { } wrongCounts) return wrongCounts;
        var model = EventCounts.Text(Data, "model");
        if (!IsText(model, NameBytesMax)) return EventCounts.Invalid($"data.model must be text of 1 to {NameBytesMax} bytes");
        var conversation = EventCounts.Text(Data, "conversation");
        if (EventCounts.IsGiven(Data, "conversation") && !IsText(conversation, NameBytesMax)) return EventCounts.Invalid($"data.conversation must be text of 1 to {NameBytesMax} bytes, or be absent");
        imported = new ImportedEvent(Source!, Id!, Type!, subscription, conversation ?? "", model!, prompt, generated, time);
        return null;
    }

    private Refusal? ReadTime(out DateTimeOffset? time)
    {
        time = null;
        if (Time is null) return null;
        // RFC 3339, and what some producers write instead: UTC without saying so.
        var looksRight = Time.Length >= 19 && Time[4] == '-' && Time[10] is 'T' or 't';
        if (!looksRight || !DateTimeOffset.TryParse(Time, CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal | DateTimeStyles.AdjustToUniversal, out var read) || read < Earliest || read >= Latest)
            return EventCounts.Invalid("time must be a time as 2026-01-31T12:00:00Z, between the years 2000 and 2200, or absent");
        time = read;
        return null;
    }

    private static bool IsText(string? text, int bytesMax) =>
        !string.IsNullOrEmpty(text) && text.Length <= bytesMax && !text.Contains('\0', StringComparison.Ordinal) && Encoding.UTF8.GetByteCount(text) <= bytesMax;
}
