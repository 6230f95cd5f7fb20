using System.Numerics;
using System.Numerics.Tensors;
using PlanDesign.Urgency;

namespace PlanDesign.Screening;

/// <summary>
/// The tables of the screening problem, one row at a time, in money per conversation: V[i,m] = v·E[e^{-r_i τ}·1{τ ≤ m/s}], what
/// type i would pay for cap m at most (and the value at the cap, where the market has one), and C[m] = c·(expected tokens under cap m).
/// </summary>
internal sealed class MarketTables
{
    private readonly Market _market;
    private readonly double[]? _keptAtCap;
    private readonly double[] _discount;

    /// <exception cref="OperationCanceledException">The caller cancelled.</exception>
    public MarketTables(Market market, MarketGrid grid, CancellationToken cancellation = default)
    {
        (_market, Types, CapTokensMax) = (market, grid.Types, grid.CapTokensMax);
        CumulativeWeights = grid.Types.CumulativeWeights();
        ExpectedTokens = NewRow();
        market.AnswerTime.Prepare(market.TokensPerSecond, grid.CapTokensMax, cancellation);
        market.AnswerTime.FillExpectedTokens(market.TokensPerSecond, ExpectedTokens);
        if (market.ValueAtCap > 0)
        {
            market.AnswerTime.FillSurvival(market.TokensPerSecond, _keptAtCap = NewRow());
            TensorPrimitives.Multiply(_keptAtCap, market.ValueAtCap, _keptAtCap);
            // Cap 0 is no plan, and nobody is cut by it.
            _keptAtCap[0] = 0;
        }
        _discount = _keptAtCap is null ? [] : NewRow();
        ServingCost = [.. ExpectedTokens.Select(tokens => market.ServingCostPerToken * tokens)];
    }

    public TypeGrid Types { get; }
    public int CapTokensMax { get; }
    public double[] CumulativeWeights { get; }
    public double[] ExpectedTokens { get; }
    public double[] ServingCost { get; }
    public bool HasValueAtCap => _keptAtCap is not null;
    public double CostPerToken => _market.ServingCostPerToken;
    public double ValuePerAnswer => _market.ValuePerAnswer;

    public double[] NewRow() => new double[CapTokensMax + 1];

    public void FillValue(int type, Span<double> row) => FillValueAt(Types.RatesPerSecond[type], row);

    /// <summary>V at any rate, for caps 0 … row.Length − 1.</summary>
    public void FillValueAt(double ratePerSecond, Span<double> row)
    {
        _market.AnswerTime.FillDiscountedAnswers(ratePerSecond, _market.TokensPerSecond, row);
        if (_keptAtCap is not null)
        {
            var discount = _discount.AsSpan(0, row.Length);
            for (var m = 0; m < discount.Length; m++) discount[m] = -ratePerSecond * m / _market.TokensPerSecond;
            TensorPrimitives.Exp(discount, discount);
            TensorPrimitives.MultiplyAdd(discount, _keptAtCap.AsSpan(0, row.Length), row, row);
        }
        TensorPrimitives.Multiply(row, _market.ValuePerAnswer, row);
    }
}

/// <summary>
/// The virtual surplus of giving cap m to type i, from the most urgent type to the most patient:
/// J[i,m] = w_i (V[i,m] − C[m]) − W_{i−1} (V[i−1,m] − V[i,m]), W_0 = 0. What serving type i earns, less what every more patient
/// type must then be left with. Two rows of V live at a time.
/// </summary>
/// <param name="from">The first row is that of the type before this one; the number of types for all rows.</param>
/// <param name="columns">Caps 0 … columns − 1.</param>
internal sealed class VirtualSurplusRows(MarketTables tables, int from, int columns)
{
    private readonly int _from = from;
    private readonly double[] _surplus = new double[columns];
    private double[] _value = new double[columns];
    private double[] _valueOfMorePatient = new double[columns];

    public VirtualSurplusRows(MarketTables tables) : this(tables, tables.Types.Count, tables.CapTokensMax + 1)
    {
    }

    /// <summary>The type of the current row, 0 the most patient.</summary>
    public int Type { get; private set; } = from;

    public ReadOnlySpan<double> Surplus => _surplus;

    public bool MoveToMorePatient()
    {
        if (Type == 0) return false;
        if (Type == _from) tables.FillValue(Type - 1, _value);
        else (_value, _valueOfMorePatient) = (_valueOfMorePatient, _value);
        Type--;
        var envious = Type == 0 ? 0 : tables.CumulativeWeights[Type - 1];
        if (Type > 0) tables.FillValue(Type - 1, _valueOfMorePatient);
        var weight = tables.Types.Weights[Type];
        var (value, morePatient, cost, surplus) = (_value, _valueOfMorePatient, tables.ServingCost, _surplus);
        var m = 0;
        if (Vector.IsHardwareAccelerated)
        {
            var (weights, enviouses) = (new Vector<double>(weight), new Vector<double>(envious));
            for (; m <= surplus.Length - Vector<double>.Count; m += Vector<double>.Count)
            {
                var own = new Vector<double>(value, m);
                (weights * (own - new Vector<double>(cost, m)) - enviouses * (new Vector<double>(morePatient, m) - own)).CopyTo(surplus, m);
            }
        }
        for (; m < surplus.Length; m++) surplus[m] = weight * (value[m] - cost[m]) - envious * (morePatient[m] - value[m]);
        return true;
    }
}
