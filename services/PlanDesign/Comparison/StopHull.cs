using PlanDesign.Screening;

namespace PlanDesign.Comparison;

/// <summary>
/// Where a user stops who pays a price for every token: at the m that maximises V[i,m] − π·E[m], a corner of the upper concave hull of (E, V),
/// E[m] = Σ_{j&lt;m} S_j. Not at the first token worth less than π, which is wrong when the hazard rises. One type at a time.
/// </summary>
internal sealed class StopHull(MarketTables tables)
{
    private readonly int[] _corner = new int[tables.CapTokensMax + 1];
    private readonly double[] _value = tables.NewRow();

    /// <summary>Corners beside the origin.</summary>
    public int Count { get; private set; }

    public void Of(int type)
    {
        tables.FillValue(type, _value);
        var (value, tokens, corner, count) = (_value, tables.ExpectedTokens, _corner, 1);
        corner[0] = 0;
        for (var m = 1; m < value.Length; m++)
        {
            if (value[m] <= value[corner[count - 1]] || tokens[m] <= tokens[corner[count - 1]]) continue;
            while (count > 1 && SlopeBetween(corner[count - 2], corner[count - 1]) <= SlopeBetween(corner[count - 1], m)) count--;
            corner[count++] = m;
        }
        Count = count - 1;
    }

    /// <summary>V at corner n = 0 … <see cref="Count"/>, money per conversation.</summary>
    public double Value(int n) => _value[_corner[n]];

    /// <summary>E at corner n.</summary>
    public double Tokens(int n) => tables.ExpectedTokens[_corner[n]];

    /// <summary>Money per token along the edge that ends at corner n ≥ 1; falls in n.</summary>
    public double Slope(int n) => SlopeBetween(_corner[n - 1], _corner[n]);

    private double SlopeBetween(int from, int to) =>
        (_value[to] - _value[from]) / (tables.ExpectedTokens[to] - tables.ExpectedTokens[from]);
}
