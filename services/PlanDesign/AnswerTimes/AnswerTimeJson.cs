namespace PlanDesign.AnswerTimes;

/// <summary>Which <c>kind</c> of answer time reads which fields.</summary>
internal static class AnswerTimeJson
{
    private static readonly OrderedDictionary<string, Func<JsonFields, AnswerTime>> Kinds = new()
    {
        ["discrete"] = f => new DiscreteAnswerTime(f.Numbers("probabilityPerToken")),
        ["exponential"] = f => new ExponentialAnswerTime(f.Number("meanSeconds")),
        ["empirical"] = f => new EmpiricalAnswerTime(f.Integers("tokens"), f.OptionalFlags("cut")),
        ["deterministic"] = f => new DeterministicAnswerTime(f.Number("seconds")),
        ["piecewiseHazard"] = f => new PiecewiseHazardAnswerTime(f.Numbers("untilSeconds"), f.Numbers("hazardPerSecond")),
        ["greedy"] = f => new GreedyAnswerTime(Thresholds(f)),
        ["diffusion"] = f => new DiffusionAnswerTime(Thresholds(f)),
        ["accumulation"] = f => new AccumulationAnswerTime(Thresholds(f)),
        ["equalAnswers"] = f => new EqualAnswersAnswerTime(f.Count("answers"), f.Number("confidence"), f.Number("informationPerSecond")),
    };

    public static AnswerTime Read(JsonFields fields) =>
        Kinds.TryGetValue(fields.Text("kind"), out var read) ? read(fields)
            : throw new InputFaultException(fields.Named("kind"),
                $"is \"{fields.Text("kind")}\"; known kinds are {string.Join(", ", Kinds.Keys)}");

    private static BeliefThresholds Thresholds(JsonFields fields) =>
        new(fields.Number("prior"), fields.Number("lower"), fields.Number("upper"), fields.Number("informationPerSecond"));
}
