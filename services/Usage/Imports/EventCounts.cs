using System.Globalization;
using System.Text.Json;
using Usage.Caps;
using Usage.Metering;

namespace Usage.Imports;

/// <summary>
/// Token counts of an event's data as our disjoint kinds. Four shapes are understood, each by the names that its producers use; the table is
/// in contracts/README.md. A count is a whole number, or a string of digits, as OpenMeter's own examples have it.
/// </summary>
internal static class EventCounts
{
    private static readonly string[] Chat = ["prompt_tokens", "completion_tokens"], Messages = ["input_tokens", "output_tokens"], Single = ["tokens"];

    public static Refusal? Read(JsonElement data, out Tally prompt, out Tally generated)
    {
        prompt = generated = Tally.Zero;
        string[][] shapes = [.. new[] { Chat, Messages, Single }.Where(shape => shape.Any(name => IsGiven(data, name)))];
        if (shapes.Length == 0) return Invalid("data has no token counts: give prompt_tokens and completion_tokens, or input_tokens and output_tokens, or tokens and type");
        if (shapes.Length > 1) return Invalid($"data counts twice: {shapes[0][0]} and {shapes[1][0]} may not stand together");
        if (shapes[0] == Single) return ReadSingle(data, out prompt, out generated);

        // What a provider counts within its prompt or its completion is taken out of it; what it counts beside them stays as it is.
        var chat = shapes[0] == Chat;
        var (promptDetails, completionDetails) = chat ? ("prompt_tokens_details", "completion_tokens_details") : ("input_tokens_details", "output_tokens_details");
        var members = new Members(data);
        var (input, output) = (members.Count(shapes[0][0]), members.Count(shapes[0][1]));
        var (read, created) = (members.Count("cache_read_input_tokens"), members.Count("cache_creation_input_tokens"));
        var (cached, reasoning) = (members.Count("cached_tokens", promptDetails), members.Count("reasoning_tokens", completionDetails));
        if (members.Fault is { } fault) return fault;
        if (read > 0 && cached > 0 && read != cached) return Invalid($"data.cache_read_input_tokens is {read} and data.{promptDetails}.cached_tokens is {cached}: they count the same");
        var within = chat ? Math.Max(cached, read) + created : cached;
        if (within > input) return Invalid($"data.{shapes[0][0]} is {input}, less than the {within} cached tokens within it");
        if (reasoning > output) return Invalid($"data.{shapes[0][1]} is {output}, less than the {reasoning} reasoning tokens within it");
        prompt = new Tally(input - within, Math.Max(cached, read), created, 0, 0);
        generated = new Tally(0, 0, 0, output - reasoning, reasoning);
        return null;
    }

    /// <summary>OpenMeter's own shape: one kind an event.</summary>
    private static Refusal? ReadSingle(JsonElement data, out Tally prompt, out Tally generated)
    {
        prompt = generated = Tally.Zero;
        var members = new Members(data);
        var tokens = members.Count("tokens");
        if (members.Fault is { } fault) return fault;
        switch (Text(data, "type"))
        {
            case "input" or "prompt" or "system" or "user": prompt = new Tally(tokens, 0, 0, 0, 0); break;
            case "cached_input": prompt = new Tally(0, tokens, 0, 0, 0); break;
            case "cache_creation": prompt = new Tally(0, 0, tokens, 0, 0); break;
            case "output" or "completion" or "assistant": generated = new Tally(0, 0, 0, tokens, 0); break;
            case "reasoning": generated = new Tally(0, 0, 0, 0, tokens); break;
            default: return Invalid("data.type must say what data.tokens are: input, cached_input, cache_creation, output or reasoning");
        }
        return null;
    }

    /// <summary>Present, and not null: producers write null for what they do not know.</summary>
    internal static bool IsGiven(JsonElement from, string name) => from.TryGetProperty(name, out var value) && value.ValueKind != JsonValueKind.Null;

    /// <summary>Null if it is no text: half a character, as "\ud800" escapes it, is JSON all the same.</summary>
    internal static string? Text(JsonElement from, string name) => from.TryGetProperty(name, out var value) && value.ValueKind == JsonValueKind.String ? TextOf(value) : null;

    private static string? TextOf(JsonElement json)
    {
        try
        {
            return json.GetString();
        }
        catch (InvalidOperationException)
        {
            return null;
        }
    }

    internal static Refusal Invalid(string detail) => new(Reasons.EventInvalid, detail);

    /// <summary>Counts by name, 0 where none is given; the first one that is no count is the fault.</summary>
    private sealed class Members(JsonElement data)
    {
        public Refusal? Fault { get; private set; }

        public long Count(string name, string? within = null)
        {
            var from = data;
            if (within is not null)
            {
                if (!IsGiven(data, within)) return 0;
                from = data.GetProperty(within);
                if (from.ValueKind != JsonValueKind.Object) Fault ??= Invalid($"data.{within} must be an object");
                if (Fault is not null) return 0;
            }
            if (!IsGiven(from, name)) return 0;
            var value = from.GetProperty(name);
            var count = 0L;
            var read = value.ValueKind switch
            {
                JsonValueKind.Number => value.TryGetInt64(out count),
                JsonValueKind.String => long.TryParse(TextOf(value), NumberStyles.None, CultureInfo.InvariantCulture, out count),
                _ => false,
            };
            if (!read || count is < 0 or > MeterLimits.CountMax) Fault ??= Invalid($"data.{(within is null ? "" : within + ".")}{name} must be a whole number from 0 to {MeterLimits.CountMax}");
            return count;
        }
    }
}
