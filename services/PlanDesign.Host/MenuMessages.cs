using Contracts.PlanDesign.V1;
using Google.Protobuf;
using Google.Protobuf.WellKnownTypes;
using PlanDesign.Menus;
using PlanDesign.Screening.Constraints;

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
                MenuStanding.Retired => view.IsDiscarded ? MenuStatus.Discarded : MenuStatus.Retired,
            },
            Currency = view.Currency.Code,
            ConversationsPerPeriod = view.ConversationsPerPeriod,
            DraftedAt = view.DraftedAt.ToTimestamp(),
            PublishedAt = view.PublishedAt?.ToTimestamp(),
            RetiredAt = view.RetiredAt?.ToTimestamp(),
            RetiredBy = view.RetiredBy ?? "",
            RetiredReason = view.RetiredReason ?? "",
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
            Certificate = ToMessage(s.Certificate),
            Alternatives = { s.Alternatives.Select(Alternative) },
            Notices = { s.Notices ?? [] },
            ConstraintCosts = { (s.ConstraintCosts ?? []).Select(c => ToMessage(c, s.ExitReason)) },
        };
        return menu;
    }

    private static Contracts.PlanDesign.V1.Tier Tier(int cap, double price, double share, double from, double to) =>
        new() { CapTokens = cap, Price = price, Share = share, UrgencyFromPerSecond = from, UrgencyToPerSecond = to };

    /// <summary>What a menu was solved for, which a list of menus would be too large with.</summary>
    public static Menu WithMarket(this Menu menu, MenuDrafted drafted)
    {
        menu.Market = MarketJson.Read(drafted.Market).Market?.ToMessage();
        menu.Constraints = drafted.Constraints is { } rules ? MenuConstraintsJson.Read(rules).ToMessage() : null;
        menu.PlansMax = drafted.PlansMax ?? 0;
        return menu;
    }

    private static Contracts.PlanDesign.V1.Certificate ToMessage(MenuCertificate c)
    {
        var message = new Contracts.PlanDesign.V1.Certificate
        {
            UpperBound = c.UpperBound, Gap = c.Gap, MaxIncentiveViolation = c.MaxIncentiveViolation, MaxParticipationViolation = c.MaxParticipationViolation,
            DensityUpperBound = c.DensityUpperBound ?? 0, TokenBound = c.TokenBound ?? 0, TypeBound = c.TypeBound ?? 0,
        };
        if (c.UpperBoundOf is { } of) message.UpperBoundOf = of;
        return message.WithBoundsOf(c.UpperBoundInMinorUnits, c.UpperBoundAtTypes);
    }

    /// <summary>Bounds that are not always known.</summary>
    public static Contracts.PlanDesign.V1.Certificate WithBoundsOf(this Contracts.PlanDesign.V1.Certificate message, double? inMinorUnits, double? atTypes)
    {
        if (inMinorUnits is { } most) message.UpperBoundInMinorUnits = most;
        if (atTypes is { } here) message.UpperBoundAtTypes = here;
        return message;
    }

    private static Contracts.PlanDesign.V1.ConstraintCost ToMessage(MenuConstraintCost c, string exitReason) => new()
    {
        Constraint = c.Constraint, ProfitCost = c.ProfitCost ?? 0, ShareServedGain = c.ShareServedGain ?? 0, TokensGain = c.TokensGain ?? 0, Unknown = c.Unknown ?? "",
        ExitReasonWithout = c.ExitReasonWithout, ExitReasonWith = exitReason, IsAbout = c.IsAbout,
    };

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
