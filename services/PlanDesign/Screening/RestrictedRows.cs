using PlanDesign.Screening.Constraints;

namespace PlanDesign.Screening;

/// <summary>The rows of virtual surplus as the dynamic programme sees them under rules on caps, and what a free tier adds to its value.</summary>
/// <param name="from">The first row is that of the type before this one.</param>
/// <param name="columns">Caps 0 … columns − 1, the free tier among them.</param>
internal sealed class RestrictedRows(MarketTables tables, CapRules rules, int from, int columns)
{
    private readonly VirtualSurplusRows _rows = new(tables, from, columns);
    private readonly double[] _restricted = rules.AreNone ? [] : new double[columns];
    private double _ofFreeTier;

    public RestrictedRows(MarketTables tables, CapRules rules) : this(tables, rules, tables.Types.Count, tables.CapTokensMax + 1)
    {
    }

    public int Type => _rows.Type;

    public ReadOnlySpan<double> Surplus => rules.AreNone ? _rows.Surplus : _restricted;

    /// <summary>Once every type is taken: what is earned of the free tier itself, less what everybody keeps of it; 0 where there is none.</summary>
    public double OfFreeTier
    {
        get
        {
            if (rules.FreeTier == 0) return 0;
            var value = tables.NewRow();
            tables.FillValue(tables.Types.Count - 1, value);
            return _ofFreeTier - rules.Rent(value, tables.CumulativeWeights[^1]);
        }
    }

    public bool MoveToMorePatient()
    {
        if (!_rows.MoveToMorePatient()) return false;
        if (!rules.AreNone) _ofFreeTier += rules.Restrict(_rows.Surplus, _restricted);
        return true;
    }
}
