using System.Globalization;
using System.Text.Json;
using System.Text.Json.Serialization;

namespace Billing.Rating;

/// <summary>A share of an amount, exact, from 0 to 100. In JSON and on the wire a decimal string without trailing zeros: "7.7".</summary>
[JsonConverter(typeof(PercentJsonConverter))]
public readonly record struct Percent
{
    public Percent(decimal value) => Value = value / 1.0000000000000000000000000000m;

    public decimal Value { get; }

    public decimal Of(decimal amount) => amount * Value / 100;

    /// <exception cref="FormatException">Not a plain decimal number from 0 to 100 with at most 6 decimals.</exception>
    public static Percent Parse(string text) =>
        decimal.TryParse(text, NumberStyles.AllowDecimalPoint, CultureInfo.InvariantCulture, out var value) && value is >= 0 and <= 100 && value.Scale <= 6
            ? new(value)
            : throw new FormatException($"'{text}' is not a percentage: expected a decimal such as \"7.7\", from 0 to 100, at most 6 decimals");

    public override string ToString() => Value.ToString(CultureInfo.InvariantCulture);
}

public sealed class PercentJsonConverter : JsonConverter<Percent>
{
    public override Percent Read(ref Utf8JsonReader reader, Type typeToConvert, JsonSerializerOptions options) => Percent.Parse(reader.GetString()!);
    public override void Write(Utf8JsonWriter writer, Percent value, JsonSerializerOptions options) => writer.WriteStringValue(value.ToString());
}
