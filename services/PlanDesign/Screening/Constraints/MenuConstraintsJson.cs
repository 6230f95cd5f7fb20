using System.Text;
using System.Text.Json;

namespace PlanDesign.Screening.Constraints;

/// <summary>The rules of a menu as JSON: an object with the fields of <see cref="MenuConstraints"/>, those that are set.</summary>
public static class MenuConstraintsJson
{
    internal static MenuConstraints Read(JsonFields fields)
    {
        var constraints = new MenuConstraints
        {
            CapTokensMin = fields.OptionalCount("capTokensMin"),
            CapTokensMax = fields.OptionalCount("capTokensMax"),
            AllowedCapTokens = fields.IsGiven("allowedCapTokens") ? fields.Integers("allowedCapTokens") : null,
            NobodyExcluded = fields.OptionalFlag("nobodyExcluded"),
            FreeTierCapTokens = fields.OptionalCount("freeTierCapTokens"),
            PriceMax = fields.OptionalNumber("priceMax"),
            PriceMin = fields.OptionalNumber("priceMin"),
            PriceRatioMax = fields.OptionalNumber("priceRatioMax"),
        };
        fields.RefuseTheRest();
        return constraints;
    }

    /// <summary>Reads what <see cref="Write"/> wrote.</summary>
    /// <exception cref="FormatException">It is not.</exception>
    public static MenuConstraints Read(string json)
    {
        try
        {
            using var document = JsonDocument.Parse(json);
            return Read(new JsonFields(document.RootElement, "constraints"));
        }
        catch (Exception e) when (e is JsonException or InputFaultException)
        {
            throw new FormatException($"these are no rules of a menu: {e.Message}", e);
        }
    }

    /// <summary>One line of JSON, always the same for the same rules; null where there is none.</summary>
    public static string? Write(MenuConstraints? constraints)
    {
        if (constraints is null || constraints == new MenuConstraints()) return null;
        using var stream = new MemoryStream();
        using (var json = new Utf8JsonWriter(stream))
        {
            void Count(string name, int? value)
            {
                if (value is { } given) json.WriteNumber(name, given);
            }
            void Number(string name, double? value)
            {
                if (value is { } given) json.WriteNumber(name, given);
            }
            json.WriteStartObject();
            Count("capTokensMin", constraints.CapTokensMin);
            Count("capTokensMax", constraints.CapTokensMax);
            if (constraints.AllowedCapTokens is { } caps)
            {
                json.WriteStartArray("allowedCapTokens");
                foreach (var cap in caps.Distinct().Order()) json.WriteNumberValue(cap);
                json.WriteEndArray();
            }
            if (constraints.NobodyExcluded) json.WriteBoolean("nobodyExcluded", true);
            Count("freeTierCapTokens", constraints.FreeTierCapTokens);
            Number("priceMax", constraints.PriceMax);
            Number("priceMin", constraints.PriceMin);
            Number("priceRatioMax", constraints.PriceRatioMax);
            json.WriteEndObject();
        }
        return Encoding.UTF8.GetString(stream.ToArray());
    }
}
