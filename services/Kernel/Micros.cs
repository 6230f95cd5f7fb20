using System.Globalization;
using System.Text.Json;
using System.Text.Json.Serialization;

namespace Kernel;

/// <summary>
/// An exact amount in whole micro-units (1/1,000,000) of one currency; the currency is said beside it, never guessed.
/// In JSON a plain number. Never a floating-point value; arithmetic that overflows throws.
/// </summary>
[JsonConverter(typeof(MicrosJsonConverter))]
public readonly record struct Micros(long Value) : IComparable<Micros>
{
    public static Micros Zero => default;

    public static Micros operator +(Micros a, Micros b) => new(checked(a.Value + b.Value));
    public static Micros operator -(Micros a, Micros b) => new(checked(a.Value - b.Value));
    public static Micros operator -(Micros a) => new(checked(-a.Value));
    public static Micros operator *(Micros a, long factor) => new(checked(a.Value * factor));
    public static bool operator <(Micros a, Micros b) => a.Value < b.Value;
    public static bool operator >(Micros a, Micros b) => a.Value > b.Value;
    public static bool operator <=(Micros a, Micros b) => a.Value <= b.Value;
    public static bool operator >=(Micros a, Micros b) => a.Value >= b.Value;
    public int CompareTo(Micros other) => Value.CompareTo(other.Value);

    public static Micros Sum(IEnumerable<Micros> amounts) => amounts.Aggregate(Zero, (sum, a) => sum + a);

    /// <summary>Major units as text with the currency's digits, for people: 9,600,000 µ of USD is "9.60".</summary>
    /// <param name="numbers">how a language writes numbers; null as programs do</param>
    /// <remarks>More digits are shown when the amount has them, so that a printed sum always adds up.</remarks>
    public string ToMajorUnits(Currency currency, NumberFormatInfo? numbers = null)
    {
        var major = Value / 1_000_000m;
        var fraction = new string('0', currency.Digits) + new string('#', 6 - currency.Digits);
        return major.ToString(currency.Digits == 0 ? "#,##0.######" : "#,##0." + fraction, numbers ?? NumberFormatInfo.InvariantInfo);
    }

    public override string ToString() => string.Create(CultureInfo.InvariantCulture, $"{Value}µ");
}

public sealed class MicrosJsonConverter : JsonConverter<Micros>
{
    public override Micros Read(ref Utf8JsonReader reader, Type typeToConvert, JsonSerializerOptions options) => new(reader.GetInt64());
    public override void Write(Utf8JsonWriter writer, Micros value, JsonSerializerOptions options) => writer.WriteNumberValue(value.Value);
}
