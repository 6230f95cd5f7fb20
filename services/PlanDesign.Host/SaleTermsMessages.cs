using Contracts.PlanDesign.V1;
using PlanDesign.Menus;
using SaleTerms = PlanDesign.Menus.SaleTerms;

namespace PlanDesign.Host;

/// <summary>Terms of sale as callers say and receive them.</summary>
public static class SaleTermsMessages
{
    /// <exception cref="FormatException">A kind or a price cannot be read.</exception>
    public static SaleTerms ToTerms(this Contracts.PlanDesign.V1.SaleTerms? message)
    {
        static int? Given(int conversations) => conversations == 0 ? null : conversations;
        return message is null ? SaleTerms.None : new(
            Given(message.FiveHoursConversations), Given(message.WeekConversations),
            [.. message.Overage.Select(o => new KindPrice(TokenNames.ParseKind(o.Kind), UnitPrice.Parse(o.PerMillionTokens)))]);
    }

    public static Contracts.PlanDesign.V1.SaleTerms ToMessage(this SaleTerms terms) => new()
    {
        FiveHoursConversations = terms.FiveHoursConversations ?? 0,
        WeekConversations = terms.WeekConversations ?? 0,
        Overage = { terms.Overage.Select(o => new OveragePrice { Kind = o.Kind.Name(), PerMillionTokens = o.PerMillionTokens.ToString() }) },
    };
}
