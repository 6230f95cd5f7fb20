using System.Text.Json;
using Contracts.PlanDesign.V1;
using PlanDesign.Estimation;

namespace PlanDesign.Host;

/// <summary>Observations as callers send them, and what was learned as they receive it.</summary>
public static class EstimationMessages
{
    public static MarketObservations ToObservations(this Observations message, double tokensPerSecond, double valuePerAnswer, double servingCostPerToken) => new(
        [.. message.Conversations.Select(c => new Estimation.ObservedConversation(c.GeneratedTokens, c.Cut, NullIfEmpty(c.PlanId), NullIfEmpty(c.Customer)))],
        [.. message.Menus.Select(m => new Estimation.ObservedMenu(
            [.. m.Plans.Select(p => new Estimation.PlanBought(p.PlanId, p.CapTokens, p.PricePerConversation, p.Customers))], m.HasCustomersWithoutPlan ? m.CustomersWithoutPlan : null))],
        tokensPerSecond, valuePerAnswer, servingCostPerToken);

    /// <exception cref="FormatException">Not the name of a fit.</exception>
    public static UrgencyFit FitOf(string name) => name switch
    {
        "" or "log_normal" => UrgencyFit.LogNormal,
        "gamma" => UrgencyFit.Gamma,
        "uniform" => UrgencyFit.Uniform,
        "turnbull" => UrgencyFit.Turnbull,
        _ => throw new FormatException($"fit '{name}' is none of log_normal, gamma, uniform and turnbull"),
    };

    /// <param name="next">Null where the data cannot tell.</param>
    /// <param name="robust">Null where nobody asked for it.</param>
    public static EstimateMarketResponse ToMessage(MarketObservations observed, EstimatedMarket estimate, Estimation.NextMenu? next, Estimation.RobustMenu? robust) => new()
    {
        Outcome = JsonNamingPolicy.SnakeCaseLower.ConvertName(estimate.Outcome.ToString()),
        Sentence = estimate.Sentence,
        Market = estimate.Market?.ToMessage(),
        Figures = { estimate.Figures.Select(f => new Contracts.PlanDesign.V1.EstimatedFigure { Name = f.Name, Unit = f.Unit, Interval = Of(f.Interval) }) },
        Plans = { estimate.Plans.Select(p => new Contracts.PlanDesign.V1.PlanInterval { Menu = p.Menu, PlanId = p.PlanId, FromPerSecond = p.FromPerSecond, ToPerSecond = p.ToPerSecond, Customers = p.Customers }) },
        LogLikelihood = estimate.LogLikelihood,
        DrawsThatCouldNotTell = estimate.DrawsThatCouldNotTell,
        Notices = { estimate.Notices },
        Next = next is null ? null : Of(next),
        Robust = robust is null ? null : new()
        {
            Menu = SolvingMessages.ToMessage(robust.Menu, []),
            WorstProfit = robust.WorstProfit,
            WorstProfitBound = robust.WorstProfitBound,
            WorstProfitOfNext = robust.WorstProfitOfNext,
            ProfitAtEstimate = robust.ProfitAtEstimate,
            ProfitOfNextAtEstimate = robust.ProfitOfNextAtEstimate,
        },
        Conversations = observed.Conversations.Count,
        Customers = observed.Menus.Sum(m => m.Customers),
    };

    private static Contracts.PlanDesign.V1.NextMenu Of(Estimation.NextMenu next)
    {
        var message = new Contracts.PlanDesign.V1.NextMenu
        {
            Menu = SolvingMessages.ToMessage(next.Menu, []),
            Profit = Of(next.Profit),
            RunningProfit = Of(next.RunningProfit),
            ProfitDifference = Of(next.ProfitDifference),
            RevenueDifference = Of(next.RevenueDifference),
            ShareOfDrawsBetter = next.ShareOfDrawsBetter,
        };
        if (next.HeldOutProfitDifference is { } heldOut) message.HeldOutProfitDifference = heldOut;
        return message;
    }

    private static Estimate Of(Interval interval) => new() { Estimate_ = interval.Estimate, Low = interval.Low, High = interval.High };

    private static string? NullIfEmpty(string text) => text.Length == 0 ? null : text;
}
