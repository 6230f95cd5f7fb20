using System.Buffers;
using System.Numerics.Tensors;

namespace PlanDesign.AnswerTimes.Quadrature;

/// <summary>
/// A density on Gauss nodes, for one generation speed: equal panels, a whole number to a token, up to the token in which the exponential
/// tail begins; that token in panels of its own; then the tail in closed form. A row of V is eight multiply-adds and one exponential a
/// panel.
/// </summary>
internal sealed class DensityPanels
{
    private const int PanelsPerTokenMax = 4096;
    private const int PanelsMax = 4_000_000;
    private const int PanelsBetweenLooks = 1024;

    /// <summary>Where no more than this is left unanswered, nothing is left to integrate.</summary>
    private const double Nothing = 1e-19;

    private readonly DensityAnswerTime _law;
    private readonly double[][] _density;
    private readonly double[] _expectedTokens;
    private readonly int _tokens;
    private readonly int _panelsPerToken;
    private readonly double _panelSeconds;
    private readonly List<(double From, double Seconds, double[] Density)> _beforeTail = [];
    private readonly double _survivalAtTail;

    /// <exception cref="OperationCanceledException">The caller cancelled.</exception>
    public DensityPanels(DensityAnswerTime law, double tokensPerSecond, int capTokensMax, CancellationToken cancellation)
    {
        (_law, TokensPerSecond, CapTokensMax) = (law, tokensPerSecond, capTokensMax);
        var tail = law.Tail;
        (_tokens, _panelsPerToken) = Sizes(law, tokensPerSecond, capTokensMax);
        _panelSeconds = 1 / (tokensPerSecond * _panelsPerToken);

        _density = new double[DiscountedGauss.Nodes][];
        for (var q = 0; q < _density.Length; q++)
        {
            var nodes = _density[q] = new double[_tokens * _panelsPerToken];
            var shift = (1 + DiscountedGauss.Abscissas[q]) / 2;
            for (var p = 0; p < nodes.Length; p++)
            {
                if (p % PanelsBetweenLooks == 0) cancellation.ThrowIfCancellationRequested();
                nodes[p] = law.DensityAt((p + shift) * _panelSeconds);
            }
        }
        var (start, end) = (_tokens / tokensPerSecond, Math.Min(tail.FromSeconds, (_tokens + 1) / tokensPerSecond));
        if (_tokens < capTokensMax && end > start && law.SurvivalAt(start) > Nothing) AddPanelsBeforeTail(start, end);
        _survivalAtTail = double.IsInfinity(tail.FromSeconds) ? 0 : law.SurvivalAt(tail.FromSeconds);
        _expectedTokens = ExpectedTokens(cancellation);
    }

    /// <summary>How many panels there would be.</summary>
    public static long Count(DensityAnswerTime law, double tokensPerSecond, int capTokensMax)
    {
        var (tokens, panelsPerToken) = Sizes(law, tokensPerSecond, capTokensMax);
        return (long)tokens * panelsPerToken;
    }

    private static (int Tokens, int PanelsPerToken) Sizes(DensityAnswerTime law, double tokensPerSecond, int capTokensMax)
    {
        var tokens = (int)Math.Min(capTokensMax, Math.Floor(law.Tail.FromSeconds * tokensPerSecond));
        if (tokens > 0 && law.Survival(tokens, tokensPerSecond) <= Nothing) tokens = FirstWithNothingLeft(law, tokensPerSecond, tokens);
        var needed = Math.Ceiling(1 / (tokensPerSecond * law.SmoothSeconds));
        return (tokens, (int)Math.Clamp(needed, 1, Math.Clamp(PanelsMax / Math.Max(1, tokens), 1, PanelsPerTokenMax)));
    }

    public double TokensPerSecond { get; }
    public int CapTokensMax { get; }

    public void FillExpectedTokens(Span<double> byCapTokens) => _expectedTokens.AsSpan(0, byCapTokens.Length).CopyTo(byCapTokens);

    public void FillDiscountedAnswers(double rate, Span<double> byCapTokens)
    {
        var tokens = Math.Min(_tokens, byCapTokens.Length - 1);
        var panels = tokens * _panelsPerToken;
        Span<double> weights = stackalloc double[DiscountedGauss.Nodes];
        DiscountedGauss.FillWeights(rate, _panelSeconds, weights);
        var rented = ArrayPool<double>.Shared.Rent(2 * panels + 1);
        var mass = rented.AsSpan(0, panels);
        var discount = rented.AsSpan(panels, panels);
        TensorPrimitives.Multiply(_density[0].AsSpan(0, panels), weights[0], mass);
        for (var q = 1; q < weights.Length; q++) TensorPrimitives.MultiplyAdd(_density[q].AsSpan(0, panels), weights[q], mass, mass);
        for (var p = 0; p < panels; p++) discount[p] = -rate * _panelSeconds * p;
        TensorPrimitives.Exp(discount, discount);
        TensorPrimitives.Multiply(mass, discount, mass);
        var sum = byCapTokens[0] = 0;
        for (var (m, p) = (1, 0); m <= tokens; m++)
        {
            for (var n = 0; n < _panelsPerToken; n++) sum += mass[p++];
            byCapTokens[m] = sum;
        }
        ArrayPool<double>.Shared.Return(rented);
        if (tokens + 1 < byCapTokens.Length) FillBeyond(rate, byCapTokens, tokens, sum);
    }

    private void FillBeyond(double rate, Span<double> byCapTokens, int tokens, double sum)
    {
        Span<double> weights = stackalloc double[DiscountedGauss.Nodes];
        foreach (var (from, seconds, density) in _beforeTail)
        {
            DiscountedGauss.FillWeights(rate, seconds, weights);
            sum += Math.Exp(-rate * from) * TensorPrimitives.Dot<double>(density, weights);
        }
        var (start, hazard) = (_law.Tail.FromSeconds, _law.Tail.RatePerSecond);
        var whole = _survivalAtTail <= Nothing ? 0 : _survivalAtTail * Math.Exp(-rate * start) * hazard / (hazard + rate);
        for (var m = tokens + 1; m < byCapTokens.Length; m++)
            byCapTokens[m] = sum + (whole > 0 ? whole * Exponentials.OneMinusExp((hazard + rate) * Math.Max(0, m / TokensPerSecond - start)) : 0);
    }

    private double[] ExpectedTokens(CancellationToken cancellation)
    {
        var tokens = new double[CapTokensMax + 1];
        var sum = 0.0;
        for (var (m, p) = (1, 0); m <= _tokens; m++)
        {
            cancellation.ThrowIfCancellationRequested();
            for (var n = 0; n < _panelsPerToken; n++, p++)
            {
                var panel = p;
                sum += WaitedIn(p * _panelSeconds, _panelSeconds, q => _density[q][panel]);
            }
            tokens[m] = TokensPerSecond * sum;
        }
        foreach (var (from, seconds, density) in _beforeTail) sum += WaitedIn(from, seconds, q => density[q]);
        var (start, hazard) = (_law.Tail.FromSeconds, _law.Tail.RatePerSecond);
        for (var m = _tokens + 1; m < tokens.Length; m++)
            tokens[m] = TokensPerSecond * (sum + (_survivalAtTail <= Nothing ? 0
                : _survivalAtTail / hazard * Exponentials.OneMinusExp(hazard * Math.Max(0, m / TokensPerSecond - start))));
        return tokens;
    }

    /// <summary>∫ S over a panel, by parts: h·S at its end + ∫ x f.</summary>
    private double WaitedIn(double from, double seconds, Func<int, double> density)
    {
        var sum = seconds * _law.SurvivalAt(from + seconds);
        for (var q = 0; q < DiscountedGauss.Nodes; q++)
            sum += seconds * seconds / 4 * DiscountedGauss.Weights[q] * (1 + DiscountedGauss.Abscissas[q]) * density(q);
        return sum;
    }

    private void AddPanelsBeforeTail(double start, double end)
    {
        var count = (int)Math.Clamp(Math.Ceiling((end - start) / _law.SmoothSeconds), 1, PanelsPerTokenMax);
        var h = (end - start) / count;
        for (var n = 0; n < count; n++)
        {
            var from = start + n * h;
            _beforeTail.Add((from, h, [.. DiscountedGauss.Abscissas.Select(x => _law.DensityAt(from + (1 + x) / 2 * h))]));
        }
    }

    private static int FirstWithNothingLeft(DensityAnswerTime law, double tokensPerSecond, int known)
    {
        var (low, high) = (0, known);
        while (high - low > 1)
        {
            var middle = low + (high - low) / 2;
            if (law.Survival(middle, tokensPerSecond) <= Nothing) high = middle;
            else low = middle;
        }
        return high;
    }
}
