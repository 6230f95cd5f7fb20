using Contracts.PlanDesign.V1;
using Google.Protobuf;
using Google.Protobuf.WellKnownTypes;
using PlanDesign.Menus;

namespace PlanDesign.Host;

/// <summary>Menus and solutions as callers receive them.</summary>
internal static class MenuMessages
{
    public static Menu ToMessage(this MenuView view)
    {
        var menu = new Menu
        {
            MenuId = view.Id,
            Name = view.Name,
            Status = view.Standing switch
            {
                MenuStanding.Draft => MenuStatus.Draft,
                MenuStanding.Solved => MenuStatus.Solved,
                MenuStanding.Published => MenuStatus.Published,
                MenuStanding.Retired => MenuStatus.Retired,
            },
            Currency = view.Currency.Code,
            ConversationsPerPeriod = view.ConversationsPerPeriod,
            DraftedAt = view.DraftedAt.ToTimestamp(),
            PublishedAt = view.PublishedAt?.ToTimestamp(),
            RetiredAt = view.RetiredAt?.ToTimestamp(),
            Models = { view.Models },
            Evidence = view.Evidence ?? "",
            Terms = view.Terms is { } terms ? Menus.SaleTerms.Read(terms).ToMessage() : null,
            Signature = view.Signature is { } signature ? ToMessage(signature) : null,
        };
        if (view.Solution is not { } s) return menu;
        menu.Plans.Add(s.Tiers.Select(t => new Plan
        {
            PlanId = t.PlanId,
            Name = t.Name,
            PeriodFeeMicros = t.PeriodFee.Value,
            ConversationCapTokens = t.CapTokens,
            PeriodCapTokens = (long)t.CapTokens * view.ConversationsPerPeriod,
            PricePerConversation = t.PricePerConversation,
            Share = t.Share,
        }));
        menu.Solution = new Solution
        {
            Tiers = { s.Tiers.Select(t => Tier(t.CapTokens, t.PricePerConversation, t.Share, t.UrgencyFromPerSecond, t.UrgencyToPerSecond)) },
            Profit = s.Profit,
            Revenue = s.Revenue,
            ServingCost = s.ServingCost,
            ProfitUnlimited = s.ProfitUnlimited,
            ExitReason = s.ExitReason,
            Certificate = Certificate(s.Certificate.UpperBound, s.Certificate.Gap, s.Certificate.MaxIncentiveViolation, s.Certificate.MaxParticipationViolation),
            Alternatives = { s.Alternatives.Select(Alternative) },
        };
        return menu;
    }

    private static Contracts.PlanDesign.V1.Tier Tier(int cap, double price, double share, double from, double to) =>
        new() { CapTokens = cap, Price = price, Share = share, UrgencyFromPerSecond = from, UrgencyToPerSecond = to };

    private static Contracts.PlanDesign.V1.Certificate Certificate(double bound, double gap, double incentive, double participation) =>
        new() { UpperBound = bound, Gap = gap, MaxIncentiveViolation = incentive, MaxParticipationViolation = participation };

    private static Alternative Alternative(MenuAlternative a)
    {
        var message = new Alternative
        {
            Kind = a.Kind, Profit = a.Profit, Revenue = a.Revenue, ServingCost = a.ServingCost, ShareServed = a.ShareServed, TokensPerConversation = a.Tokens,
        };
        if (a.ConsumerSurplus is { } surplus) message.ConsumerSurplus = surplus;
        return message;
    }

    private static Contracts.PlanDesign.V1.MenuSignature ToMessage(Menus.MenuSignature s) => new()
    {
        Form = s.Form,
        PublicKey = ByteString.FromBase64(s.PublicKey),
        Value = ByteString.FromBase64(s.Value),
        DigestsValue = ByteString.FromBase64(s.DigestsValue),
    };
}
