using System.Numerics;

namespace Billing.Tests.Rating;

/// <summary>An exact number, for sums that are to be compared with those of the product.</summary>
/// <param name="Over">above zero</param>
internal readonly record struct Fraction(BigInteger Of, BigInteger Over) : IComparable<Fraction>
{
    public static Fraction Zero { get; } = new(0, 1);

    public static implicit operator Fraction(long whole) => new(whole, 1);

    /// <summary>A decimal has a power of ten below it.</summary>
    public static implicit operator Fraction(decimal value)
    {
        var tens = BigInteger.Pow(10, value.Scale);
        return new(new BigInteger(value * (decimal)tens), tens);
    }

    public static Fraction operator +(Fraction a, Fraction b) => Reduced(a.Of * b.Over + b.Of * a.Over, a.Over * b.Over);
    public static Fraction operator -(Fraction a, Fraction b) => a + new Fraction(-b.Of, b.Over);
    public static Fraction operator *(Fraction a, Fraction b) => Reduced(a.Of * b.Of, a.Over * b.Over);
    public static Fraction operator /(Fraction a, Fraction b) => Reduced(a.Of * b.Over * b.Of.Sign, a.Over * BigInteger.Abs(b.Of));
    public static bool operator >(Fraction a, Fraction b) => a.CompareTo(b) > 0;
    public static bool operator <(Fraction a, Fraction b) => a.CompareTo(b) < 0;

    public int CompareTo(Fraction other) => (Of * other.Over).CompareTo(other.Of * Over);

    public static Fraction Lesser(Fraction a, Fraction b) => a < b ? a : b;

    public BigInteger Floor() => BigInteger.DivRem(Of, Over, out var rest) - (rest.Sign < 0 ? 1 : 0);

    /// <summary>To the nearest whole number, a half away from zero.</summary>
    public BigInteger Nearest() => Of.Sign * ((2 * BigInteger.Abs(Of) + Over) / (2 * Over));

    private static Fraction Reduced(BigInteger of, BigInteger over)
    {
        var common = BigInteger.GreatestCommonDivisor(of, over);
        return new(of / common, over / common);
    }
}
