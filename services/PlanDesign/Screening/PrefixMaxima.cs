using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace PlanDesign.Screening;

/// <summary>
/// Running maxima four at a time: within a vector by two shifts, from vector to vector by one maximum, which is all that is sequential in
/// the recursion of the dynamic programme. No value here is ever not a number, so the processor's own maximum will do.
/// </summary>
internal struct PrefixMaxima(double start)
{
    public const int Lanes = 4;

    private Vector256<double> _carry = Vector256.Create(start);

    /// <summary>The largest so far, the same in every lane.</summary>
    public readonly double Last => _carry[0];

    /// <summary>The maxima up to each lane, and <paramref name="before"/> those up to the lane before it.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public Vector256<double> Take(Vector256<double> x, out Vector256<double> before)
    {
        var lowest = Vector256.Create(double.NegativeInfinity);
        x = Vector256.MaxNative(x, Vector256.ConditionalSelect(First, lowest, Vector256.Shuffle(x, Vector256.Create(0, 0, 1, 2))));
        x = Vector256.MaxNative(x, Vector256.Shuffle(x, Vector256.Create(0, 1, 0, 1)));
        var maxima = Vector256.MaxNative(x, _carry);
        before = Vector256.ConditionalSelect(First, _carry, Vector256.Shuffle(maxima, Vector256.Create(0, 0, 1, 2)));
        _carry = Vector256.MaxNative(_carry, Vector256.Shuffle(x, Vector256.Create(3, 3, 3, 3)));
        return maxima;
    }

    private static Vector256<double> First => Vector256.Create(-1L, 0, 0, 0).AsDouble();
}
