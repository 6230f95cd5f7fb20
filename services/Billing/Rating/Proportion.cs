using System.Numerics;

namespace Billing.Rating;

/// <summary>The part of an amount that goes with a part of a whole. The product on the way to it can be more than a decimal holds, where the result is not.</summary>
public static class Proportion
{
    private const int DigitsMax = 28;

    /// <summary><paramref name="amount"/> × <paramref name="part"/> / <paramref name="whole"/>.</summary>
    /// <exception cref="OverflowException">The result itself is more than a decimal holds.</exception>
    public static decimal Of(decimal amount, decimal part, decimal whole)
    {
        try
        {
            // What decimals give stands in invoices, to the last digit: whatever they can say is said by them.
            return amount * part / whole;
        }
        catch (OverflowException)
        {
            return Exactly(amount, part, whole);
        }
    }

    /// <summary>To as many digits as a decimal has.</summary>
    private static decimal Exactly(decimal amount, decimal part, decimal whole)
    {
        var (above, below) = (Unscaled(amount) * Unscaled(part) * BigInteger.Pow(10, whole.Scale), Unscaled(whole) * BigInteger.Pow(10, amount.Scale + part.Scale));
        for (var digits = DigitsMax; digits > 0; digits--)
            if (Nearest(above * BigInteger.Pow(10, digits), below) is var scaled && BigInteger.Abs(scaled) <= new BigInteger(decimal.MaxValue))
                return (decimal)scaled / (decimal)BigInteger.Pow(10, digits);
        return (decimal)Nearest(above, below);
    }

    private static BigInteger Unscaled(decimal value) => new(value * (decimal)BigInteger.Pow(10, value.Scale));

    /// <summary>A half away from zero.</summary>
    private static BigInteger Nearest(BigInteger above, BigInteger below) =>
        above.Sign * below.Sign * ((2 * BigInteger.Abs(above) + BigInteger.Abs(below)) / (2 * BigInteger.Abs(below)));
}
