using PlanDesign.Screening.Constraints;

namespace PlanDesign.Screening.Certificates;

/// <summary>
/// An upper bound on what any menu earns, from a potential that somebody claims. The screening problem is a longest path; its dual is a
/// potential with D_{N+1} ≡ 0 and D_i(m) ≥ J[i,m] + max_{m' ≤ m} D_{i+1}(m'), and then max_m D_1(m) bounds every menu. Whatever a row falls
/// short of that inequality is added to the bound, so that any potential, however wrong, gives a valid one.
/// With at most K plans: D_i^k(m) ≥ J[i,m] + max(D_{i+1}^k(m), D_{i+1}^k(0), max_{0&lt;m'&lt;m} D_{i+1}^{k−1}(m')) and the bound
/// max(0, max_{m>0} D_1^{K−1}(m)). Caps that a rule forbids are no states: whatever is claimed of them is neither read nor required; a free
/// tier stands for cap 0, its J and rent counted apart. Rows come from the most urgent type to the most patient; two are held at a time.
/// </summary>
internal sealed class PotentialBound
{
    private readonly CheckerTables _tables;
    private readonly CapRules _rules;
    private double _freeTier;
    private readonly int _layers;
    private readonly bool _limited;
    private readonly double[] _next;
    private readonly double[] _tokenBest;
    private readonly double[] _weightUpTo;
    private double[] _value;
    private int _type;
    private double _shortfall;
    private double _typeBound;
    private double _top;

    /// <param name="plansMax">K, or null when the number of plans is unlimited.</param>
    public PotentialBound(CheckerTables tables, int? plansMax, CapRules? rules = null)
    {
        _rules = rules ?? CapRules.None;
        (_tables, _limited, _layers, _type) = (tables, plansMax is not null, plansMax ?? 1, tables.Rates.Length);
        _next = new double[_layers * tables.Cost.Length];
        _tokenBest = new double[tables.Cost.Length];
        _value = _type > 0 ? tables.Value(_type - 1) : [];
        _weightUpTo = new double[_type + 1];
        for (var i = 0; i < _type; i++) _weightUpTo[i + 1] = _weightUpTo[i] + tables.Weights[i];
    }

    /// <summary>The bound, once a row of every type was taken; infinite before that, or when a row was not finite.</summary>
    public double Upper => _type > 0 || !double.IsFinite(_top + _shortfall) ? double.PositiveInfinity : _top + _shortfall + _freeTier;

    /// <summary>Σ_m max(0, max_k W_k·(ΔV[k,m] − ΔC[m])): every token sold by itself. Bounds menus without limit.</summary>
    public double ByTokens => _type > 0 ? double.PositiveInfinity : _tokenBest.Sum();

    /// <summary>Σ_i max_m J[i,m]: every type sold to by itself. Bounds menus without limit.</summary>
    public double ByTypes => _type > 0 ? double.PositiveInfinity : _typeBound;

    /// <summary>The next row, at k·(M+1) + m for each layer k.</summary>
    public void Take(ReadOnlySpan<double> potential)
    {
        var i = _type--;
        var (columns, weight, envious) = (_tables.Cost.Length, _weightUpTo[i] - _weightUpTo[i - 1], _weightUpTo[i - 1]);
        var morePatient = i > 1 ? _tables.Value(i - 2) : _value;
        var surplus = new double[columns];
        for (var m = 1; m < columns; m++)
        {
            surplus[m] = weight * (_value[m] - _tables.Cost[m]) - envious * (morePatient[m] - _value[m]);
            var token = _weightUpTo[i] * (_value[m] - _value[m - 1] - (_tables.Cost[m] - _tables.Cost[m - 1]));
            _tokenBest[m] = Math.Max(_tokenBest[m], token);
        }
        _typeBound += surplus.Max();
        if (i == _weightUpTo.Length - 1) _freeTier -= _weightUpTo[i] * _value[_rules.FreeTier];
        var free = surplus[_rules.FreeTier];
        _freeTier += free;
        for (var m = 1; m < columns && free != 0; m++) surplus[m] -= free;
        _value = morePatient;

        var worst = 0.0;
        for (var k = 0; k < _layers; k++)
        {
            var claimed = potential.Slice(k * columns, columns);
            var same = _next.AsSpan(k * columns, columns);
            var fewer = _limited && k > 0 ? _next.AsSpan((k - 1) * columns, columns) : [];
            var best = _limited ? double.NegativeInfinity : same[0];
            for (var m = 0; m < columns; m++)
            {
                var reach = _limited ? Math.Max(Math.Max(same[m], same[0]), best) : best = Math.Max(best, same[m]);
                if (_limited && k > 0 && m > 0) best = Math.Max(best, fewer[m]);
                if (IsState(m)) worst = Math.Max(worst, surplus[m] + reach - claimed[m]);
            }
        }
        _shortfall += worst;
        potential.CopyTo(_next);
        if (!_rules.AreNone)
            for (var n = 0; n < _next.Length; n++)
                if (!IsState(n % columns)) _next[n] = double.NegativeInfinity;
        if (_type > 0) return;
        _top = _limited && !_rules.MustServe ? 0 : double.NegativeInfinity;
        var start = potential[((_layers - 1) * columns)..];
        for (var m = _limited ? 1 : 0; m < columns; m++)
            if (IsState(m)) _top = Math.Max(_top, start[m]);
    }

    private bool IsState(int cap) => cap == 0 ? !_rules.MustServe : _rules.Allows(cap);
}
