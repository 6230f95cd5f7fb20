using System.Globalization;
using Contracts.PlanDesign.V1;
using PlanDesign.Menus;
using OveragePrice = Contracts.PlanDesign.V1.OveragePrice;

namespace Cli.Commands;

/// <summary>What tokens beyond an allowance cost, as it is written on the command line: 12.50, graduated:12.50@1000000,8, volume:12.50@1000000,8 or package:2.00/100000.</summary>
public static class OverageInput
{
    /// <exception cref="UserException">It is none of these. Whether the prices can be sold is plan design's to say.</exception>
    public static OveragePrice Read(string kind, string text)
    {
        var price = new OveragePrice { Kind = kind };
        switch (text.Split(':', 2))
        {
            case [var perMillion]:
                price.PerMillionTokens = perMillion;
                break;
            case [KindPrice.Package, var package]:
                if (package.Split('/') is not [var amount, var tokens] || !Inputs.TryAmount(amount, out var micros))
                    throw new UserException($"--overage {text} is no price of packages: expected package:PRICE/TOKENS, such as package:2.00/100000");
                (price.Model, price.PackagePriceMicros, price.PackageTokens) = (KindPrice.Package, micros, Tokens(tokens, text));
                break;
            case [(KindPrice.Graduated or KindPrice.Volume) and var model, var tiers]:
                price.Model = model;
                price.Tiers.AddRange(tiers.Split(',').Select(t => t.Split('@', 2)).Select(t => new PriceTier { PerMillionTokens = t[0], UpTo = t.Length == 2 ? Tokens(t[1], text) : 0 }));
                break;
            default:
                throw new UserException($"--overage {text} is no price: expected 12.50, graduated:12.50@1000000,8, volume:12.50@1000000,8 or package:2.00/100000");
        }
        return price;
    }

    private static long Tokens(string text, string price) => long.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var tokens) && tokens > 0
        ? tokens
        : throw new UserException($"--overage {price}: {text} is no number of tokens");
}
