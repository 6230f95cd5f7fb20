using System.Text;
using System.Text.Json;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.Net.Http.Headers;
using Usage.Imports;

namespace Usage.Host.Imports;

/// <summary>
/// A body of CloudEvents as the HTTP binding of the specification sends them: one in structured mode, a batch, or one in binary mode. Plain
/// application/json is taken as OpenMeter takes it: one event or an array of them.
/// </summary>
internal static class EventsRequest
{
    private const string One = "application/cloudevents+json", Batch = "application/cloudevents-batch+json", Json = "application/json", BinaryMark = "ce-specversion";

    /// <exception cref="RefusedImportException">The body is no event, of a type that is not taken, or too large.</exception>
    public static async Task<IReadOnlyList<CloudEvent>> ReadAsync(HttpRequest request, UsageOptions options, CancellationToken ct)
    {
        var type = MediaTypeHeaderValue.TryParse(request.ContentType, out var given) ? given.MediaType.Value?.ToLowerInvariant() : null;
        if (given?.Charset is { HasValue: true, Value: not null } charset && !charset.Value.Trim('"').Equals("utf-8", StringComparison.OrdinalIgnoreCase))
            throw new RefusedImportException(StatusCodes.Status415UnsupportedMediaType, Reasons.EventInvalid, "the body must be UTF-8");
        var binary = request.Headers.ContainsKey(BinaryMark);
        if (type is not (One or Batch or Json)) throw new RefusedImportException(StatusCodes.Status415UnsupportedMediaType, Reasons.EventInvalid, $"the Content-Type must be {One}, {Batch} or {Json}");

        var limit = request.HttpContext.Features.Get<IHttpMaxRequestBodySizeFeature>();
        if (limit is { IsReadOnly: false }) limit.MaxRequestBodySize = options.MessageBytesMax;
        using var json = await ParseAsync(request, options, ct);
        var body = json.RootElement;
        if (type == Json && binary) return [Binary(request.Headers, body.Clone())];
        var many = body.ValueKind == JsonValueKind.Array;
        if (many && type == One) throw new RefusedImportException(StatusCodes.Status400BadRequest, Reasons.EventInvalid, $"the body is an array: send it as {Batch}");
        if (!many && type == Batch) throw new RefusedImportException(StatusCodes.Status400BadRequest, Reasons.EventInvalid, $"the body is no array: send it as {One}");
        if (!many) return [Structured(body)];
        if (body.GetArrayLength() > options.EventsPerImportMax)
            throw new RefusedImportException(StatusCodes.Status413PayloadTooLarge, Reasons.EventsTooMany, $"at most {options.EventsPerImportMax} events in one request: send several");
        return [.. body.EnumerateArray().Select(Structured)];
    }

    private static async Task<JsonDocument> ParseAsync(HttpRequest request, UsageOptions options, CancellationToken ct)
    {
        try
        {
            return await JsonDocument.ParseAsync(request.Body, cancellationToken: ct);
        }
        catch (JsonException e)
        {
            throw new RefusedImportException(StatusCodes.Status400BadRequest, Reasons.EventInvalid, $"the body is not JSON: {e.Message}");
        }
        catch (BadHttpRequestException e) when (e.StatusCode == StatusCodes.Status413PayloadTooLarge)
        {
            throw new RefusedImportException(e.StatusCode, Reasons.EventsTooMany, $"at most {options.MessageBytesMax} bytes in one request: send several");
        }
    }

    private static CloudEvent Structured(JsonElement json) => CloudEvent.Of(json.Clone());

    /// <summary>In binary mode the attributes are headers, percent-encoded and perhaps quoted, and the body is the data.</summary>
    private static CloudEvent Binary(IHeaderDictionary headers, JsonElement data)
    {
        return new CloudEvent(Attribute("specversion"), Attribute("source"), Attribute("id"), Attribute("type"), Attribute("subject"), Attribute("time"), data, MemberNames.Fault(data));

        string? Attribute(string name) => headers.TryGetValue($"ce-{name}", out var value) ? Uri.UnescapeDataString(Unquoted(value.ToString())) : null;
    }

    /// <summary>A quoted string of RFC 9110 means what is between its quotes, where a backslash escapes one character.</summary>
    private static string Unquoted(string value)
    {
        if (value is not ['"', .., '"']) return value;
        var text = new StringBuilder(value.Length);
        for (var i = 1; i < value.Length - 1; i++)
        {
            if (value[i] == '\\' && i + 1 < value.Length - 1) i++;
            text.Append(value[i]);
        }
        return text.ToString();
    }
}
