using System.Globalization;
using System.Text.Json;
using System.Text.Json.Serialization;

namespace Kernel;

/// <summary>
/// A price per million tokens in major units of the menu's currency, exact. In JSON and on the wire a decimal string: "0.15" per
/// million is 0.15 micro per token, which no whole number of micros could say.
/// </summary>
[JsonConverter(typeof(UnitPriceJsonConverter))]
public readonly record struct UnitPrice(decimal PerMillionTokens)
{
    /// <summary>The exact cost in micros of so many tokens. A fraction of a micro is possible; the caller names the rounding.</summary>
    public decimal MicrosFor(long tokens) => checked(PerMillionTokens * tokens);

    /// <exception cref="FormatException">Not a plain decimal number of at most 12 decimals, or negative.</exception>
    public static UnitPrice Parse(string text) =>
        decimal.TryParse(text, NumberStyles.AllowDecimalPoint, CultureInfo.InvariantCulture, out var price) && price.Scale <= 12
            ? new(price)
            : throw new FormatException($"'{text}' is not a price per million tokens: expected a decimal such as \"0.15\", not negative, at most 12 decimals");

    public override string ToString() => PerMillionTokens.ToString(CultureInfo.InvariantCulture);
}

public sealed class UnitPriceJsonConverter : JsonConverter<UnitPrice>
{
    public override UnitPrice Read(ref Utf8JsonReader reader, Type typeToConvert, JsonSerializerOptions options) => UnitPrice.Parse(reader.GetString()!);
    public override void Write(Utf8JsonWriter writer, UnitPrice value, JsonSerializerOptions options) => writer.WriteStringValue(value.ToString());
}
