using System.Text.Json;
using PlanDesign.Reports;
using PlanDesign.Screening;
using PlanDesign.Screening.Constraints;

namespace PlanDesign;

/// <summary>What an analyst asks in one file: a market and, beside it, what the menu must keep to and what it is compared with.</summary>
/// <param name="Running">The plans on sale today, exact prices per conversation; empty for none.</param>
public sealed record MenuRequest(
    Market Market, int? PlansMax, Currency? Currency, Conversations? Conversations, MenuConstraints? Constraints, IReadOnlyList<PlanOffer> Running);

/// <summary>A request that was read, or what is wrong with the text. Exactly one of the two is null.</summary>
public sealed record MenuRequestReading(MenuRequest? Request, InputFault? Fault);

/// <summary>
/// The JSON form of a request: the fields of a market (<see cref="MarketJson"/>) and, all optional, <c>plansMax</c>, <c>currency</c>,
/// <c>conversationsPerPeriod</c> (a number, or a list with one for each type), <c>constraints</c> (<see cref="MenuConstraints"/>) and
/// <c>running</c> (<c>[{"capTokens":…,"pricePerConversation":…}]</c>). Unknown fields are refused.
/// </summary>
public static class MenuRequestJson
{
    /// <exception cref="OperationCanceledException">The caller cancelled.</exception>
    public static MenuRequestReading Read(string json, CancellationToken cancellation = default)
    {
        try
        {
            using var document = JsonDocument.Parse(json);
            var fields = new JsonFields(document.RootElement, "");
            var plansMax = fields.OptionalCount("plansMax");
            var currency = fields.OptionalText("currency");
            var conversations = !fields.IsGiven("conversationsPerPeriod") ? null
                : fields.IsList("conversationsPerPeriod") ? Conversations.OfTypes(fields.Integers("conversationsPerPeriod"))
                : Conversations.Of(fields.Count("conversationsPerPeriod"));
            var constraints = fields.OptionalObject("constraints") is { } rules ? MenuConstraintsJson.Read(rules) : null;
            var running = fields.IsGiven("running") ? fields.Objects("running").Select(Offer).ToArray() : [];
            var market = MarketJson.ReadFields(fields);
            Currency? money = null;
            if (currency is not null && !Currency.TryParse(currency, out money))
                throw new InputFaultException("currency", $"is \"{currency}\", expected an ISO 4217 code known here, such as USD, EUR or JPY");
            return (market.Check(cancellation) ?? conversations?.Check(market)) is { } fault
                ? new(null, fault)
                : new(new(market, plansMax, money, conversations, constraints, running), null);
        }
        catch (JsonException e)
        {
            return new(null, new("market", $"is not valid JSON: {e.Message}"));
        }
        catch (InputFaultException e)
        {
            return new(null, e.Fault);
        }
    }

    private static PlanOffer Offer(JsonFields fields)
    {
        var offer = new PlanOffer(fields.Count("capTokens"), fields.Number("pricePerConversation"));
        fields.RefuseTheRest();
        return offer.CapTokens is >= 1 and <= MarketLimits.CapTokensMax && offer.PricePerConversation is >= 0 and <= MarketLimits.MoneyMax ? offer
            : throw new InputFaultException("running", FormattableString.Invariant($"has a plan of {offer.CapTokens} tokens for {offer.PricePerConversation}: expected 1 to {MarketLimits.CapTokensMax} tokens, and a price from 0"));
    }
}
