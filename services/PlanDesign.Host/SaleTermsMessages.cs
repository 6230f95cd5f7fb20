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
            [.. message.Overage.Select(Price)]);
    }

    private static KindPrice Price(OveragePrice o)
    {
        var model = o.Model.Length == 0 ? KindPrice.PerUnit : o.Model;
        if (model != KindPrice.PerUnit && o.PerMillionTokens.Length > 0) throw new FormatException($"per_million_tokens is for the model {KindPrice.PerUnit}: leave it empty where the model is {model}");
        return new(TokenNames.ParseKind(o.Kind), model == KindPrice.PerUnit ? UnitPrice.Parse(o.PerMillionTokens) : default)
        {
            Model = model,
            Tiers = [.. o.Tiers.Select(t => new KindTier(t.UpTo == 0 ? null : t.UpTo, UnitPrice.Parse(t.PerMillionTokens)))],
            Packages = (o.PackageTokens, o.PackagePriceMicros) == default ? null : new(o.PackageTokens, o.PackagePriceMicros),
        };
    }

    public static Contracts.PlanDesign.V1.SaleTerms ToMessage(this SaleTerms terms) => new()
    {
        FiveHoursConversations = terms.FiveHoursConversations ?? 0,
        WeekConversations = terms.WeekConversations ?? 0,
        Overage = { terms.Overage.Select(Price) },
    };

    private static OveragePrice Price(KindPrice o) => o.Model == KindPrice.PerUnit ? new() { Kind = o.Kind.Name(), PerMillionTokens = o.PerMillionTokens.ToString() } : new()
    {
        Kind = o.Kind.Name(), Model = o.Model, Tiers = { o.Tiers.Select(t => new PriceTier { UpTo = t.UpTo ?? 0, PerMillionTokens = t.PerMillionTokens.ToString() }) },
        PackageTokens = o.Packages?.Tokens ?? 0, PackagePriceMicros = o.Packages?.PriceMicros ?? 0,
    };
}
