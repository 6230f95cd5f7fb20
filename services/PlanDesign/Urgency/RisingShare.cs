namespace PlanDesign.Urgency;

/// <summary>
/// Where a share that rises with the rate reaches a level, to the last bit. Between a rate below and one that reaches it: where the straight line between the two
/// crosses the level, then as far again and as much more, so that both ends close in (the double step of Alefeld and Potra, ACM TOMS 18, 1992); and whenever these
/// do not leave a quarter of the doubles between, the one in the middle of them. A handful of looks where the share is smooth, and never more than a few for each bit.
/// </summary>
internal static class RisingShare
{
    /// <summary>So few doubles apart, shares differ by what their sums round by, and a line through them says nothing.</summary>
    private const long DoublesToHalve = 64;

    /// <param name="share">Does not fall.</param>
    /// <param name="low">From 0, where the share is below the level.</param>
    /// <param name="high">Finite, where it is not.</param>
    /// <returns>The least double where the level is reached.</returns>
    public static double Between(Func<double, double> share, double level, double low, double high) =>
        Between(share, level, low, share(low) - level, high, share(high) - level);

    /// <summary>The same from <paramref name="low"/> upwards, without a rate above.</summary>
    /// <param name="step">How far above it might be.</param>
    public static double From(Func<double, double> share, double level, double low, double step)
    {
        var below = share(low) - level;
        if (below >= 0) return low;
        if (!(step > 0)) step = Math.Max(1, low);
        for (var high = Math.Max(low + step, Math.BitIncrement(low)); ; step *= 4, high = low + step)
        {
            // Beyond all doubles nobody is left.
            if (double.IsPositiveInfinity(high)) return high;
            var reached = share(high) - level;
            if (reached >= 0) return Between(share, level, low, below, high, reached);
            (low, below) = (high, reached);
        }
    }

    private static double Between(Func<double, double> share, double level, double low, double below, double high, double above)
    {
        if (below >= 0) return low;
        while (Apart() is var apart && apart > 1)
        {
            if (apart > DoublesToHalve)
            {
                Look(low + (high - low) * (-below / (above - below)));
                var perRate = (above - below) / (high - low);
                var twice = -below < above ? low - 2 * below / perRate : high - 2 * above / perRate;
                Look(twice > low && twice < high ? twice : low + (high - low) / 2);
                if (Apart() <= apart / 4) continue;
            }
            Look(BitConverter.Int64BitsToDouble(BitConverter.DoubleToInt64Bits(low) + Apart() / 2));
        }
        return high;

        long Apart() => BitConverter.DoubleToInt64Bits(high) - BitConverter.DoubleToInt64Bits(low);

        void Look(double rate)
        {
            if (Apart() <= 1) return;
            if (!(rate > low)) rate = Math.BitIncrement(low);
            else if (rate >= high) rate = Math.BitDecrement(high);
            var difference = share(rate) - level;
            if (difference < 0) (low, below) = (rate, difference);
            else (high, above) = (rate, difference);
        }
    }
}
