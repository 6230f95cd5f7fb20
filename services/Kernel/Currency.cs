using System.Collections.Frozen;
using System.Text.Json;
using System.Text.Json.Serialization;

namespace Kernel;

/// <summary>An ISO 4217 currency: its three-letter code and how many decimal digits its minor unit has (0, 2 or 3). In JSON the code.</summary>
[JsonConverter(typeof(CurrencyJsonConverter))]
public sealed record Currency
{
    private static readonly string[] ZeroDigits = ["CLP", "ISK", "JPY", "KRW", "PYG", "UGX", "VND", "XAF", "XOF", "XPF"];
    private static readonly string[] ThreeDigits = ["BHD", "IQD", "JOD", "KWD", "LYD", "OMR", "TND"];
    private static readonly string[] TwoDigits =
    [
        "AED", "ARS", "AUD", "BDT", "BGN", "BRL", "CAD", "CHF", "CNY", "COP", "CZK", "DKK", "EGP", "EUR", "GBP", "HKD", "HUF", "IDR", "ILS",
        "INR", "KES", "MAD", "MXN", "MYR", "NGN", "NOK", "NZD", "PEN", "PHP", "PKR", "PLN", "QAR", "RON", "RSD", "SAR", "SEK", "SGD", "THB",
        "TRY", "TWD", "UAH", "USD", "UYU", "ZAR",
    ];

    private static readonly FrozenDictionary<string, Currency> Known =
        ZeroDigits.Select(c => new Currency(c, 0)).Concat(TwoDigits.Select(c => new Currency(c, 2))).Concat(ThreeDigits.Select(c => new Currency(c, 3)))
            .ToFrozenDictionary(c => c.Code);

    private Currency(string code, int digits) => (Code, Digits) = (code, digits);

    public string Code { get; }
    public int Digits { get; }

    /// <summary>One minor unit (a cent, a yen, a fils) in micros: 10,000 for USD, 1,000,000 for JPY, 1,000 for KWD.</summary>
    public Micros MinorUnit => new(Digits switch { 0 => 1_000_000, 2 => 10_000, _ => 1_000 });

    public static bool TryParse(string? code, out Currency currency)
    {
        var found = Known.TryGetValue(code ?? "", out var known);
        currency = known!;
        return found;
    }

    /// <exception cref="FormatException">The code is not a currency this product knows.</exception>
    public static Currency Parse(string code) =>
        TryParse(code, out var currency) ? currency : throw new FormatException($"'{code}' is not an ISO 4217 currency code known here, such as USD, EUR or JPY");

    public override string ToString() => Code;
}

public sealed class CurrencyJsonConverter : JsonConverter<Currency>
{
    public override Currency Read(ref Utf8JsonReader reader, Type typeToConvert, JsonSerializerOptions options) => Currency.Parse(reader.GetString()!);
    public override void Write(Utf8JsonWriter writer, Currency value, JsonSerializerOptions options) => writer.WriteStringValue(value.Code);
}
