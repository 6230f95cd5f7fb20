using System.Text.Json;
using Usage.Imports;
using Usage.Metering;

namespace Usage.Tests;

/// <summary>What an event of another system says about usage.</summary>
public sealed class EventTests
{
    private const string Subscription = "sub_0194d3a2b7c87f00a000000000000001";

    [Theory]
    [InlineData("""{"prompt_tokens":120,"completion_tokens":30,"total_tokens":150,"cost":0.004}""", 120, 0, 0, 30, 0)]
    [InlineData("""{"prompt_tokens":120,"completion_tokens":30,"prompt_tokens_details":{"cached_tokens":100},"completion_tokens_details":{"reasoning_tokens":25}}""", 20, 100, 0, 5, 25)]
    [InlineData("""{"prompt_tokens":120,"completion_tokens":30,"cache_read_input_tokens":60,"cache_creation_input_tokens":40,"prompt_tokens_details":{"cached_tokens":60}}""", 20, 60, 40, 30, 0)]
    [InlineData("""{"input_tokens":20,"output_tokens":30,"cache_read_input_tokens":60,"cache_creation_input_tokens":40}""", 20, 60, 40, 30, 0)]
    [InlineData("""{"input_tokens":120,"output_tokens":30,"input_tokens_details":{"cached_tokens":100},"output_tokens_details":{"reasoning_tokens":25}}""", 20, 100, 0, 5, 25)]
    [InlineData("""{"tokens":"123456","type":"output"}""", 0, 0, 0, 123_456, 0)]
    [InlineData("""{"tokens":7,"type":"system"}""", 7, 0, 0, 0, 0)]
    [InlineData("""{"tokens":7,"type":"reasoning"}""", 0, 0, 0, 0, 7)]
    [InlineData("""{"prompt_tokens":9,"completion_tokens":null,"prompt_tokens_details":null}""", 9, 0, 0, 0, 0)] // an embedding
    public void Counts_of_every_known_shape_become_disjoint_kinds(string data, long input, long cached, long created, long output, long reasoning)
    {
        Assert.Null(Event(data).Read(out var read));
        Assert.Equal((new Tally(input, cached, created, 0, 0), new Tally(0, 0, 0, output, reasoning)), (read.Prompt, read.Generated));
    }

    [Theory]
    [InlineData("""{"seconds":3}""", "data has no token counts")]
    [InlineData("""{"prompt_tokens":1,"input_tokens":1}""", "data counts twice")]
    [InlineData("""{"prompt_tokens":1.5}""", "data.prompt_tokens must be a whole number")]
    [InlineData("""{"prompt_tokens":-1}""", "data.prompt_tokens must be a whole number")]
    [InlineData("""{"tokens":"1e3","type":"input"}""", "data.tokens must be a whole number")]
    [InlineData("""{"tokens":5}""", "data.type must say")]
    [InlineData("""{"prompt_tokens":5,"prompt_tokens_details":{"cached_tokens":6}}""", "data.prompt_tokens is 5, less than the 6 cached")]
    [InlineData("""{"completion_tokens":5,"completion_tokens_details":{"reasoning_tokens":6}}""", "data.completion_tokens is 5, less than the 6 reasoning")]
    [InlineData("""{"prompt_tokens":5,"prompt_tokens_details":7}""", "data.prompt_tokens_details must be an object")]
    [InlineData("""[1]""", "data must be a JSON object")]
    public void Counts_that_cannot_be_are_named(string data, string detail)
    {
        var fault = Event(data).Read(out _);
        Assert.Equal(Reasons.EventInvalid, fault?.Code);
        Assert.StartsWith(detail, fault?.Detail, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("\"5\"", "\"\\ud800\"", "data.model must be text")]
    [InlineData("\"\\udc005\"", "\"m\"", "data.tokens must be a whole number")]
    public void Half_a_character_is_no_text(string tokens, string model, string detail)
    {
        using var json = JsonDocument.Parse($$$"""{"specversion":"1.0","source":"s","id":"i","type":"t","subject":"{{{Subscription}}}","data":{"model":{{{model}}},"type":"input","tokens":{{{tokens}}} }}""");
        Assert.StartsWith(detail, CloudEvent.Of(json.RootElement).Read(out _)?.Detail, StringComparison.Ordinal);
        // The same of an attribute.
        using var attribute = JsonDocument.Parse("""{"specversion":"1.0","source":"\ud800"}""");
        Assert.StartsWith("source must be text", CloudEvent.Of(attribute.RootElement).Read(out _)?.Detail, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("""{"tokens":7,"type":"output","model":"m"}""", null)]
    [InlineData("""[1]""", "data_base64 must be the base64 of a JSON object")]
    [InlineData("""{"tokens":7,"tokens":8,"type":"output","model":"m"}""", "the member tokens stands twice")]
    [InlineData("""{"tokens":7""", "data_base64 must be")]
    public void Data_may_come_in_base64(string data, string? detail)
    {
        var encoded = Convert.ToBase64String(System.Text.Encoding.UTF8.GetBytes(data));
        var fault = Structured($"\"data_base64\":\"{encoded}\"").Read(out var read);
        if (detail is null) Assert.Equal((null, 7), (fault, read.Generated.Output));
        else Assert.StartsWith(detail, fault?.Detail, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("""
        "data_base64":"no base64!"
        """, "data_base64 must be")]
    [InlineData("""
        "data_base64":7
        """, "data_base64 must be")]
    [InlineData("""
        "data":{"tokens":7,"type":"output","model":"m"},"data_base64":"e30="
        """, "data and data_base64 may not stand together")]
    [InlineData("""
        "data":{"tokens":7,"type":"output","model":"m"},"data_base64":null
        """, null)]
    public void Data_in_base64_that_cannot_be_is_named(string members, string? detail)
    {
        var fault = Structured(members).Read(out _);
        if (detail is null) Assert.Null(fault);
        else Assert.StartsWith(detail, fault?.Detail, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("2026-01-31T12:00:00.123456789Z", true)] // Go counts nanoseconds
    [InlineData("2026-01-31T13:00:00.123456+01:00", true)]
    [InlineData("2026-01-31T12:00:00.123456", true)] // Python's utcnow() does not say that it is UTC
    [InlineData("31.1.2026", false)]
    [InlineData("1970-01-01T00:00:00Z", false)]
    public void A_time_is_read_as_producers_write_it(string text, bool taken)
    {
        var fault = (Event("""{"tokens":1,"type":"input"}""") with { Time = text }).Read(out var read);
        Assert.Equal(taken, fault is null);
        if (taken) Assert.Equal(new DateTime(2026, 1, 31, 12, 0, 0, 123, 456, DateTimeKind.Utc), new DateTime(read.Time!.Value.UtcTicks / 10 * 10, DateTimeKind.Utc));
    }

    [Fact]
    public void Its_content_is_what_is_recorded_of_it()
    {
        Assert.Null(Event("""{"prompt_tokens":1,"completion_tokens":2,"cost":0.1}""").Read(out var first));
        Assert.Null((Event("""{"completion_tokens":2,"cost":null,"prompt_tokens":1}""") with { Time = "2026-01-01T00:00:00Z" }).Read(out var repeat));
        Assert.Null(Event("""{"prompt_tokens":2,"completion_tokens":1}""").Read(out var other));
        Assert.Equal(first.Content(), repeat.Content());
        Assert.NotEqual(first.Content(), other.Content());
    }

    private static CloudEvent Structured(string members)
    {
        using var json = JsonDocument.Parse($$"""{"specversion":"1.0","source":"s","id":"i","type":"t","subject":"{{Subscription}}",{{members}}}""");
        return CloudEvent.Of(json.RootElement.Clone());
    }

    private static CloudEvent Event(string data)
    {
        using var json = JsonDocument.Parse(data);
        var root = json.RootElement.Clone();
        if (root.ValueKind == JsonValueKind.Object)
        {
            var members = JsonSerializer.Deserialize<Dictionary<string, JsonElement>>(root)!;
            members["model"] = JsonSerializer.SerializeToElement("small-model");
            root = JsonSerializer.SerializeToElement(members);
        }
        return new CloudEvent("1.0", "gateway", "1", "tokens", Subscription, null, root, MemberNames.Fault(root));
    }
}
