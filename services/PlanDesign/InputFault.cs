namespace PlanDesign;

/// <summary>Which field of the input is wrong (a path such as <c>urgency.weights[2]</c>), and what is expected there instead.</summary>
public sealed record InputFault(string Field, string Detail)
{
    public override string ToString() => $"{Field}: {Detail}";

    internal static InputFault? Range(string field, double value, double above, double max, string unit) =>
        double.IsFinite(value) && value > above && value <= max ? null
            : new(field, FormattableString.Invariant($"is {value}, expected a number above {above} and at most {max} {unit}"));

    internal static InputFault? RangeFrom(string field, double value, double min, double max, string unit) =>
        double.IsFinite(value) && value >= min && value <= max ? null
            : new(field, FormattableString.Invariant($"is {value}, expected a number from {min} to {max} {unit}"));
}
