using System.Globalization;
using System.Text.Json;
using PlanDesign.Estimation;

namespace PlanDesign.Reports;

/// <summary>Observations that were read, or what is wrong with the text. Exactly one of the two is null.</summary>
public sealed record ObservationsReading(MarketObservations? Observations, InputFault? Fault);

/// <summary>
/// The JSON form of what was observed: <c>{"conversations":{"tokens":[…],"cut":[…],"customers":[…],"planIds":[…]},"menus":[{"plans":[{"planId":…,"capTokens":…,
/// "pricePerConversation":…,"customers":…}],"customersWithoutPlan":…}],"tokensPerSecond":…,"valuePerAnswer":…,"servingCostPerToken":…}</c>. Of
/// conversations, <c>cut</c> (stopped by a cap), <c>customers</c> (a number for each customer) and <c>planIds</c> (under which plan, empty where that is not known; with
/// them it is checked whether cuts say nothing of length) are optional, and so are a plan's id (else its cap) and customers without plan.
/// </summary>
public static class ObservationsJson
{
    public static ObservationsReading Read(string json)
    {
        try
        {
            using var document = JsonDocument.Parse(json);
            var fields = new JsonFields(document.RootElement, "");
            var observed = new MarketObservations(
                Conversations(fields.Object("conversations")), [.. fields.Objects("menus").Select(Menu)],
                fields.Number("tokensPerSecond"), fields.Number("valuePerAnswer"), fields.Number("servingCostPerToken"));
            fields.RefuseTheRest();
            return observed.Check() is { } fault ? new(null, fault) : new(observed, null);
        }
        catch (JsonException e)
        {
            return new(null, new("observations", $"are not valid JSON: {e.Message}"));
        }
        catch (InputFaultException e)
        {
            return new(null, e.Fault);
        }
    }

    private static ObservedConversation[] Conversations(JsonFields fields)
    {
        var tokens = fields.Integers("tokens");
        var cut = fields.IsGiven("cut") ? fields.OptionalFlags("cut") : null;
        var customers = fields.IsGiven("customers") ? fields.Integers("customers") : null;
        var plans = fields.IsGiven("planIds") ? fields.Texts("planIds") : null;
        fields.RefuseTheRest();
        foreach (var (name, count) in new[] { ("cut", cut?.Length), ("customers", customers?.Length), ("planIds", plans?.Length) })
            if (count is { } given && given != tokens.Length)
                throw new InputFaultException($"conversations.{name}", $"has {given} entries for {tokens.Length} conversations, expected one for each");
        return [.. tokens.Select((n, i) => new ObservedConversation(n, cut?[i] ?? false, plans?[i] is { Length: > 0 } plan ? plan : null, customers?[i].ToString(CultureInfo.InvariantCulture)))];
    }

    private static ObservedMenu Menu(JsonFields fields)
    {
        var plans = fields.Objects("plans").Select(Plan).ToArray();
        long? without = fields.IsGiven("customersWithoutPlan") ? fields.Whole("customersWithoutPlan") : null;
        fields.RefuseTheRest();
        return new(plans, without);
    }

    private static PlanBought Plan(JsonFields fields)
    {
        var cap = fields.Count("capTokens");
        var plan = new PlanBought(
            fields.OptionalText("planId") ?? cap.ToString(CultureInfo.InvariantCulture), cap, fields.Number("pricePerConversation"), fields.Whole("customers"));
        fields.RefuseTheRest();
        return plan;
    }
}
