using System.Numerics;
using System.Numerics.Tensors;
using System.Runtime.Intrinsics;

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
    private readonly CheckerRules _rules;
    private double _freeTier;
    private readonly int _layers;
    private readonly bool _limited;
    private readonly double[] _next;
    private readonly double[] _tokenBest;
    private readonly double[] _weightUpTo;
    private readonly double[] _tokenCost;
    private readonly double[] _surplus;
    private double[] _value;
    private double[] _morePatient;
    private int _type;
    private double _shortfall;
    private double _typeBound;
    private double _top;

    /// <param name="plansMax">K, or null when the number of plans is unlimited.</param>
    public PotentialBound(CheckerTables tables, int? plansMax, CheckerRules? rules = null)
    {
        _rules = rules ?? new(null, tables.Cost.Length - 1);
        (_tables, _limited, _layers, _type) = (tables, plansMax is not null, plansMax ?? 1, tables.Rates.Length);
        _next = new double[_layers * tables.Cost.Length];
        _tokenBest = new double[tables.Cost.Length];
        (_surplus, _morePatient) = (new double[tables.Cost.Length], new double[tables.Cost.Length]);
        _tokenCost = [.. tables.Cost.Select((cost, m) => m == 0 ? 0 : cost - tables.Cost[m - 1])];
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
        var (columns, weight, envious, upTo) = (_tables.Cost.Length, _weightUpTo[i] - _weightUpTo[i - 1], _weightUpTo[i - 1], _weightUpTo[i]);
        if (i > 1) _tables.FillValue(i - 2, _morePatient);
        var surplus = _surplus.AsSpan();
        _typeBound += FillSurplus(_value, i > 1 ? _morePatient : _value, weight, envious, upTo);
        if (i == _weightUpTo.Length - 1) _freeTier -= upTo * _value[_rules.FreeTier];
        var free = surplus[_rules.FreeTier];
        _freeTier += free;
        if (_rules.FreeTier > 0)
        {
            TensorPrimitives.Subtract(surplus, free, surplus);
            surplus[0] = 0;
        }
        if (i > 1) (_value, _morePatient) = (_morePatient, _value);

        var worst = 0.0;
        for (var k = 0; k < _layers; k++)
        {
            var claimed = potential.Slice(k * columns, columns);
            var same = _next.AsSpan(k * columns, columns);
            // Without limit any cap up to m may follow; with one, the same cap, nothing at all, or a shorter one at the cost of a plan.
            var fewer = !_limited ? same : k > 0 ? _next.AsSpan((k - 1) * columns, columns) : [];
            if (_rules.AreNone) worst = Math.Max(worst, Shortfall(claimed, same, fewer, surplus, _limited));
            else
            {
                var reach = _limited ? same[0] : double.NegativeInfinity;
                for (var m = 0; m < columns; m++)
                {
                    if (!_limited) reach = Math.Max(reach, same[m]);
                    if (IsState(m)) worst = Math.Max(worst, surplus[m] + Math.Max(same[m], reach) - claimed[m]);
                    if (_limited && k > 0 && m > 0) reach = Math.Max(reach, fewer[m]);
                }
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

    /// <summary>
    /// J[i,m] in <see cref="_surplus"/>, the best of each token so far in <see cref="_tokenBest"/>; returns max_m J[i,m].
    /// </summary>
    private double FillSurplus(double[] own, double[] morePatient, double weight, double envious, double upTo)
    {
        var (cost, tokenCost, best, surplus) = (_tables.Cost, _tokenCost, _tokenBest, _surplus);
        var (m, lanes, most) = (1, Vector<double>.Count, 0.0);
        var (weights, enviouses, upTos, mosts) = (new Vector<double>(weight), new Vector<double>(envious), new Vector<double>(upTo), Vector<double>.Zero);
        for (; m <= surplus.Length - lanes; m += lanes)
        {
            var value = new Vector<double>(own, m);
            var j = weights * (value - new Vector<double>(cost, m)) - enviouses * (new Vector<double>(morePatient, m) - value);
            j.CopyTo(surplus, m);
            mosts = Vector.MaxNative(mosts, j);
            var token = upTos * (value - new Vector<double>(own, m - 1) - new Vector<double>(tokenCost, m));
            Vector.MaxNative(new Vector<double>(best, m), token).CopyTo(best, m);
        }
        for (var lane = 0; lane < lanes; lane++) most = Math.Max(most, mosts[lane]);
        for (; m < surplus.Length; m++)
        {
            most = Math.Max(most, surplus[m] = weight * (own[m] - cost[m]) - envious * (morePatient[m] - own[m]));
            best[m] = Math.Max(best[m], upTo * (own[m] - own[m - 1] - tokenCost[m]));
        }
        return most;
    }

    /// <summary>
    /// The most by which a row falls short, max_m surplus[m] + reach(m) − claimed[m]; not a number if anything claimed is not. Four caps at a
    /// time: the running maximum within a vector by halves, the carry apart.
    /// </summary>
    private static double Shortfall(
        ReadOnlySpan<double> claimed, ReadOnlySpan<double> same, ReadOnlySpan<double> fewer, ReadOnlySpan<double> surplus, bool limited)
    {
        // With a limit what follows at m is a cap below it, so the running maximum lags by one; its first is cap 0 itself, at no cost.
        var (m, reach) = (0, limited ? same[0] : double.NegativeInfinity);
        var (worst, unknown) = (Vector256.Create(double.NegativeInfinity), Vector256<double>.Zero);
        var (carry, low) = (Vector256.Create(reach), Vector256.Create(double.NegativeInfinity));
        for (; m <= claimed.Length - 4; m += 4)
        {
            var own = Vector256.Create(same.Slice(m, 4));
            var best = carry;
            if (fewer.Length > 0)
            {
                var four = Vector256.Create(fewer.Slice(m, 4));
                if (limited && m == 0) four = four.WithElement(0, double.NegativeInfinity);
                var odd = Vector256.ConditionalSelect(Vector256.Create(0L, -1, 0, -1).AsDouble(), Vector256.Shuffle(four, Vector256.Create(0, 0, 2, 2)), low);
                four = Vector256.MaxNative(four, odd);
                var lowerHalf = Vector256.Shuffle(four, Vector256.Create(1, 1, 1, 1));
                four = Vector256.MaxNative(four, Vector256.ConditionalSelect(Vector256.Create(0L, 0, -1, -1).AsDouble(), lowerHalf, low));
                best = Vector256.MaxNative(four, carry);
                if (limited) best = Vector256.ConditionalSelect(Vector256.Create(0L, -1, -1, -1).AsDouble(), Vector256.Shuffle(best, Vector256.Create(0, 0, 1, 2)), carry);
                carry = Vector256.MaxNative(carry, Vector256.Shuffle(four, Vector256.Create(3, 3, 3, 3)));
            }
            var falls = Vector256.Create(surplus.Slice(m, 4)) + Vector256.MaxNative(own, best) - Vector256.Create(claimed.Slice(m, 4));
            worst = Vector256.MaxNative(worst, falls);
            unknown |= ~Vector256.Equals(falls, falls);
        }
        if (unknown != Vector256<double>.Zero) return double.NaN;
        var most = Math.Max(Math.Max(worst[0], worst[1]), Math.Max(worst[2], worst[3]));
        reach = carry[0];
        for (; m < claimed.Length; m++)
        {
            if (!limited) reach = Math.Max(reach, same[m]);
            most = Math.Max(most, surplus[m] + Math.Max(same[m], reach) - claimed[m]);
            if (limited && fewer.Length > 0 && m > 0) reach = Math.Max(reach, fewer[m]);
        }
        return most;
    }

    private bool IsState(int cap) => cap == 0 ? !_rules.MustServe : _rules.Allows(cap);
}
