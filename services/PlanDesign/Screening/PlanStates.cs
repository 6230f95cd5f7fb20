using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;

namespace PlanDesign.Screening;

/// <summary>
/// Where the programme of <see cref="FewPlans"/> stands after a type: for every k plans still to open and every cap m, what is earned from that type on if it
/// has cap m, and the last type that then has the same cap. That one number is all the way back needs, for a menu of K plans is K such runs of types.
/// </summary>
/// <param name="layers">k = 0 … layers − 1.</param>
/// <param name="columns">m = 0 … columns − 1.</param>
/// <param name="mustServe">Nobody may be left with cap 0.</param>
internal sealed class PlanStates(int types, int layers, int columns, bool mustServe)
{
    /// <summary>The scalar loop goes first, as far as the kernel is wide.</summary>
    private const int CapsAtATime = 2 * PrefixMaxima.Lanes;

    /// <summary>max_{0&lt;m'≤m} D_i^k(m'), which the layer above opens a plan from.</summary>
    private readonly double[] _maxima = MaximaBeforeAll(layers, columns);

    private readonly int[] _lastType = new int[layers * columns];

    /// <summary>D_i^k(m) at k·columns + m; 0 before any type.</summary>
    public double[] Potential { get; } = new double[layers * columns];

    /// <summary>The best with k = layers − 1 plans to open after the first.</summary>
    public double Value { get; private set; }

    /// <summary>What serving nobody is worth.</summary>
    public double Nothing => mustServe ? double.NegativeInfinity : 0;

    public void Take(int type, ReadOnlySpan<double> surplus)
    {
        // Serving nobody more urgent is worth 0, where that is allowed.
        var stopping = type < types - 1 ? Nothing : 0;
        // From the top layer down: a layer reads the one below it as the type before left it.
        for (var k = layers - 1; k >= 0; k--)
        {
            var layer = Layer(Potential, k);
            var maxima = Layer(_maxima, k);
            var lastType = Layer(_lastType, k);
            var fewer = k > 0 ? Layer(_maxima, k - 1) : [];
            layer[0] = Nothing;
            var running = double.NegativeInfinity;
            for (var m = 1; m < layer.Length; m++)
            {
                if (m == CapsAtATime && Vector256.IsHardwareAccelerated)
                {
                    m = TakeVectors(type, surplus, layer, fewer, maxima, lastType, stopping, ref running);
                    if (m == layer.Length) break;
                }
                var (next, goesOn) = (layer[m], true);
                if (k > 0 && fewer[m - 1] >= next) (next, goesOn) = (fewer[m - 1], false);
                if (next <= stopping) (next, goesOn) = (stopping, false);
                if (!goesOn) lastType[m] = type;
                layer[m] = surplus[m] + next;
                running = Math.Max(running, layer[m]);
                maxima[m] = running;
            }
            if (k == layers - 1) Value = Math.Max(Nothing, running);
        }
    }

    /// <summary>The same, eight caps at a time from the ninth on; returns the first cap that is left.</summary>
    private static int TakeVectors(
        int type, ReadOnlySpan<double> surplus, Span<double> layer, ReadOnlySpan<double> fewer, Span<double> maxima, Span<int> lastType, double stopping, ref double running)
    {
        var (best, stop, types, m) = (new PrefixMaxima(running), Vector256.Create(stopping), Vector256.Create(type), CapsAtATime);
        ref var from = ref MemoryMarshal.GetReference(surplus);
        ref var own = ref MemoryMarshal.GetReference(layer);
        ref var below = ref MemoryMarshal.GetReference(fewer);
        ref var reached = ref MemoryMarshal.GetReference(maxima);
        ref var last = ref MemoryMarshal.GetReference(lastType);
        var opens = fewer.Length > 0;
        for (; m <= layer.Length - CapsAtATime; m += CapsAtATime)
        {
            var at = (nuint)(uint)m;
            var low = TakeVector(at, ref from, ref own, ref below, ref reached, opens, stop, ref best);
            var high = TakeVector(at + PrefixMaxima.Lanes, ref from, ref own, ref below, ref reached, opens, stop, ref best);
            Vector256.ConditionalSelect(Vector256.Narrow(low, high), types, Vector256.LoadUnsafe(ref last, at)).StoreUnsafe(ref last, at);
        }
        running = best.Last;
        return m;
    }

    /// <returns>All ones where the cap does not go on.</returns>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector256<long> TakeVector(
        nuint at, ref double from, ref double own, ref double below, ref double reached, bool opens, Vector256<double> stop, ref PrefixMaxima best)
    {
        var (next, ends) = (Vector256.LoadUnsafe(ref own, at), Vector256<double>.Zero);
        if (opens)
        {
            var opening = Vector256.LoadUnsafe(ref below, at - 1);
            ends = Vector256.GreaterThanOrEqual(opening, next);
            next = Vector256.MaxNative(next, opening);
        }
        ends |= Vector256.LessThanOrEqual(next, stop);
        var now = Vector256.LoadUnsafe(ref from, at) + Vector256.MaxNative(next, stop);
        now.StoreUnsafe(ref own, at);
        best.Take(now, out _).StoreUnsafe(ref reached, at);
        return ends.AsInt64();
    }

    /// <summary>The best cap below <paramref name="below"/> with k plans still to open, the smallest of equals; what it earns, and the last type that has it.</summary>
    public (int Cap, double Profit, int LastType) Best(int k, int below)
    {
        var layer = Layer(Potential, k);
        var (cap, profit) = (0, double.NegativeInfinity);
        for (var m = 1; m < below; m++)
            if (layer[m] > profit) (cap, profit) = (m, layer[m]);
        return (cap, profit, Layer(_lastType, k)[cap]);
    }

    /// <summary>What <see cref="Restore"/> goes on from.</summary>
    public Checkpoint Keep() => new(columns, [.. Potential], [.. _lastType]);

    /// <summary>As after the type of a checkpoint, of which this may have fewer caps and plans.</summary>
    public void Restore(Checkpoint kept)
    {
        for (var k = 0; k < layers; k++)
        {
            var layer = Layer(Potential, k);
            var maxima = Layer(_maxima, k);
            kept.Potential.AsSpan(k * kept.Columns, columns).CopyTo(layer);
            kept.LastType.AsSpan(k * kept.Columns, columns).CopyTo(Layer(_lastType, k));
            for (var m = 1; m < columns; m++) maxima[m] = Math.Max(maxima[m - 1], layer[m]);
        }
    }

    private static double[] MaximaBeforeAll(int layers, int columns)
    {
        var maxima = new double[layers * columns];
        for (var k = 0; k < layers; k++) maxima[k * columns] = double.NegativeInfinity;
        return maxima;
    }

    private Span<T> Layer<T>(T[] all, int k) => all.AsSpan(k * columns, columns);

    /// <summary>Twelve bytes a state.</summary>
    internal sealed record Checkpoint(int Columns, double[] Potential, int[] LastType)
    {
        public const int BytesPerState = sizeof(double) + sizeof(int);
    }
}
