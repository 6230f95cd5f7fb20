namespace PlanDesign.Urgency;

/// <summary>Which <c>kind</c> of urgency reads which fields. Rates, ends of intervals and a gamma's scale are 1/second; mu and sigma are of ln r, r in 1/second; a shape and weights have no unit.</summary>
internal static class UrgencyJson
{
    private static readonly OrderedDictionary<string, Func<JsonFields, UrgencyModel>> Kinds = new()
    {
        ["discrete"] = f => new DiscreteUrgency(f.Numbers("ratesPerSecond"), f.Numbers("weights")),
        ["uniform"] = f => new UniformUrgency(f.Number("from"), f.Number("to")),
        ["logNormal"] = f => new LogNormalUrgency(f.Number("mu"), f.Number("sigma")),
        ["gamma"] = f => new GammaUrgency(f.Number("shape"), f.Number("scale")),
        ["empirical"] = f => new EmpiricalUrgency(f.Numbers("from"), f.NumbersOrEndless("to"), f.Numbers("weights")),
        ["mixture"] = f => new MixtureUrgency([.. f.Objects("parts").Select(ReadPart)], f.Numbers("weights")),
    };

    public static UrgencyModel Read(JsonFields fields) =>
        Kinds.TryGetValue(fields.Text("kind"), out var read) ? read(fields)
            : throw new InputFaultException(fields.Named("kind"),
                $"is \"{fields.Text("kind")}\"; known kinds are {string.Join(", ", Kinds.Keys)}");

    private static UrgencyModel ReadPart(JsonFields fields)
    {
        var part = Read(fields);
        fields.RefuseTheRest();
        return part;
    }
}
