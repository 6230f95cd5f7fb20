using System.Text.Json.Serialization;

namespace Billing.Dunning;

/// <summary>What follows when every step was taken and the invoice is still not paid.</summary>
[JsonConverter(typeof(JsonStringEnumConverter<DunningFinalAction>))]
public enum DunningFinalAction
{
    /// <summary>Nothing: people decide.</summary>
    [JsonStringEnumMemberName("none")] None,

    /// <summary>The subscription that the invoice is for ends at once.</summary>
    [JsonStringEnumMemberName("cancel_subscription")] CancelSubscription,

    /// <summary>The subscription that the invoice is for rests at once, until it is resumed by hand.</summary>
    [JsonStringEnumMemberName("pause_subscription")] PauseSubscription,

    /// <summary>What is left to pay is written off.</summary>
    [JsonStringEnumMemberName("mark_uncollectible")] MarkUncollectible,
}

/// <summary>When a seller asks again for what was not paid in time, and what follows in the end.</summary>
/// <param name="StepDays">days of 24 hours after the invoice fell due, ascending</param>
/// <param name="FinalDay">likewise, after the last step</param>
public sealed record DunningSchedule(ValueList<int> StepDays, int FinalDay, DunningFinalAction FinalAction)
{
    public const int StepsMax = 20, DayMax = 365;
}

/// <summary>The words of dunning in JSON, on the wire and on the command line.</summary>
public static class DunningWords
{
    public static string Name(this DunningFinalAction action) => action switch
    {
        DunningFinalAction.None => "none",
        DunningFinalAction.CancelSubscription => "cancel_subscription",
        DunningFinalAction.PauseSubscription => "pause_subscription",
        DunningFinalAction.MarkUncollectible => "mark_uncollectible",
    };

    /// <exception cref="FormatException">There is no such action; says which there are.</exception>
    public static DunningFinalAction ParseAction(string name)
    {
        foreach (var action in Enum.GetValues<DunningFinalAction>())
            if (action.Name() == name) return action;
        throw new FormatException($"'{name}' is not one of {string.Join(", ", Enum.GetValues<DunningFinalAction>().Select(Name))}");
    }
}
