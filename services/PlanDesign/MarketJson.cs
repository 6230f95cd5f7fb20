using System.Text;
using System.Text.Json;
using PlanDesign.AnswerTimes;
using PlanDesign.Urgency;

namespace PlanDesign;

/// <summary>A market that was read, or what is wrong with the text. Exactly one of the two is null.</summary>
public sealed record MarketReading(Market? Market, InputFault? Fault);

/// <summary>
/// The JSON form of a market:
/// <c>{"urgency":{"kind":…},"answerTime":{"kind":…},"tokensPerSecond":…,"valuePerAnswer":…,"servingCostPerToken":…}</c>, with
/// <c>valueAtCap</c> optional, and <c>typeCount</c> and <c>capTokensMax</c> too, beside the others or inside urgency or answerTime. The fields and units of every kind
/// are in the tables of the README. A pure function of its input:
/// reading what was written gives the same market to the last bit.
/// </summary>
public static class MarketJson
{
    public static MarketReading Read(string json)
    {
        try
        {
            using var document = JsonDocument.Parse(json);
            return Read(document.RootElement);
        }
        catch (JsonException e)
        {
            return new(null, new("market", $"is not valid JSON: {e.Message}"));
        }
    }

    public static MarketReading Read(JsonElement root)
    {
        try
        {
            var market = ReadFields(new JsonFields(root, ""));
            return market.Check() is { } fault ? new(null, fault) : new(market, null);
        }
        catch (InputFaultException e)
        {
            return new(null, e.Fault);
        }
    }

    /// <summary>The market among these fields; what nobody has asked for by then is refused.</summary>
    internal static Market ReadFields(JsonFields fields)
    {
        fields.Ignore("name");
        var (urgency, answerTime) = (fields.Object("urgency"), fields.Object("answerTime"));
        JsonFields[] places = [fields, urgency, answerTime];
        var market = new Market(
            UrgencyJson.Read(urgency), AnswerTimeJson.Read(answerTime),
            fields.Number("tokensPerSecond"), fields.Number("valuePerAnswer"), fields.Number("servingCostPerToken"))
        {
            ValueAtCap = fields.OptionalNumber("valueAtCap") ?? 0,
            TypeCount = OneOf(places, "typeCount"),
            CapTokensMax = OneOf(places, "capTokensMax"),
        };
        foreach (var place in places) place.RefuseTheRest();
        return market;
    }

    private static int? OneOf(JsonFields[] places, string name)
    {
        var given = places.Select(p => p.OptionalCount(name)).Where(v => v is not null).Distinct().ToArray();
        return given.Length <= 1 ? given.FirstOrDefault()
            : throw new InputFaultException(name, $"is given as {string.Join(" and as ", given)}");
    }

    /// <summary>One line of JSON that <see cref="Read(string)"/> turns back into this market.</summary>
    public static string Write(Market market)
    {
        using var stream = new MemoryStream();
        using (var json = new Utf8JsonWriter(stream))
        {
            json.WriteStartObject();
            json.WriteStartObject("urgency");
            json.WriteString("kind", market.Urgency.Kind);
            Write(json, market.Urgency);
            json.WriteEndObject();
            json.WriteStartObject("answerTime");
            json.WriteString("kind", market.AnswerTime.Kind);
            Write(json, market.AnswerTime);
            json.WriteEndObject();
            json.WriteNumber("tokensPerSecond", market.TokensPerSecond);
            json.WriteNumber("valuePerAnswer", market.ValuePerAnswer);
            json.WriteNumber("servingCostPerToken", market.ServingCostPerToken);
            if (market.ValueAtCap != 0) json.WriteNumber("valueAtCap", market.ValueAtCap);
            if (market.TypeCount is { } types) json.WriteNumber("typeCount", types);
            if (market.CapTokensMax is { } cap) json.WriteNumber("capTokensMax", cap);
            json.WriteEndObject();
        }
        return Encoding.UTF8.GetString(stream.ToArray());
    }

    private static void Write(Utf8JsonWriter json, UrgencyModel urgency)
    {
        switch (urgency)
        {
            case DiscreteUrgency d:
                Write(json, "ratesPerSecond", d.RatesPerSecond, json.WriteNumberValue);
                Write(json, "weights", d.Weights, json.WriteNumberValue);
                break;
            case UniformUrgency u:
                json.WriteNumber("from", u.FromPerSecond);
                json.WriteNumber("to", u.ToPerSecond);
                break;
            case LogNormalUrgency l:
                json.WriteNumber("mu", l.Mu);
                json.WriteNumber("sigma", l.Sigma);
                break;
            case GammaUrgency g:
                json.WriteNumber("shape", g.Shape);
                json.WriteNumber("scale", g.ScalePerSecond);
                break;
            case EmpiricalUrgency e:
                Write(json, "from", e.FromPerSecond, json.WriteNumberValue);
                Write(json, "to", e.ToPerSecond, to =>
                {
                    if (double.IsFinite(to)) json.WriteNumberValue(to);
                    else json.WriteNullValue();
                });
                Write(json, "weights", e.Weights, json.WriteNumberValue);
                break;
            case MixtureUrgency m:
                Write(json, "parts", m.Parts, part =>
                {
                    json.WriteStartObject();
                    json.WriteString("kind", part.Kind);
                    Write(json, part);
                    json.WriteEndObject();
                });
                Write(json, "weights", m.Weights, json.WriteNumberValue);
                break;
            default: throw new NotSupportedException($"urgency of kind {urgency.Kind} has no JSON form yet");
        }
    }

    private static void Write(Utf8JsonWriter json, AnswerTime answerTime)
    {
        switch (answerTime)
        {
            case DiscreteAnswerTime d:
                Write(json, "probabilityPerToken", d.ProbabilityPerToken, json.WriteNumberValue);
                break;
            case ExponentialAnswerTime e:
                json.WriteNumber("meanSeconds", e.MeanSeconds);
                break;
            case AccumulationAnswerTime a:
                Write(json, a.Thresholds);
                break;
            case DeterministicAnswerTime d:
                json.WriteNumber("seconds", d.Seconds);
                break;
            case PiecewiseHazardAnswerTime p:
                Write(json, "untilSeconds", p.UntilSeconds, json.WriteNumberValue);
                Write(json, "hazardPerSecond", p.HazardPerSecond, json.WriteNumberValue);
                break;
            case GreedyAnswerTime g:
                Write(json, g.Thresholds);
                break;
            case DiffusionAnswerTime d:
                Write(json, d.Thresholds);
                break;
            case EqualAnswersAnswerTime e:
                json.WriteNumber("answers", e.Answers);
                json.WriteNumber("confidence", e.Confidence);
                json.WriteNumber("informationPerSecond", e.InformationPerSecond);
                break;
            case EmpiricalAnswerTime e:
                Write(json, "tokens", e.Tokens, json.WriteNumberValue);
                if (e.Cut.Contains(true)) Write(json, "cut", e.Cut, json.WriteBooleanValue);
                break;
            default: throw new NotSupportedException($"answer time of kind {answerTime.Kind} has no JSON form yet");
        }
    }

    private static void Write(Utf8JsonWriter json, BeliefThresholds thresholds)
    {
        json.WriteNumber("prior", thresholds.Prior);
        json.WriteNumber("lower", thresholds.Lower);
        json.WriteNumber("upper", thresholds.Upper);
        json.WriteNumber("informationPerSecond", thresholds.InformationPerSecond);
    }

    private static void Write<T>(Utf8JsonWriter json, string name, IReadOnlyList<T> items, Action<T> write)
    {
        json.WriteStartArray(name);
        foreach (var item in items) write(item);
        json.WriteEndArray();
    }
}
