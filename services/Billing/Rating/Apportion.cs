namespace Billing.Rating;

/// <summary>A whole number split in proportion to weights, so that the parts are whole and add up.</summary>
public static class Apportion
{
    /// <summary>Largest remainder, the earlier part first. No part exceeds its weight where <paramref name="whole"/> does not exceed their sum.</summary>
    public static long[] ByRemainder(long whole, IReadOnlyList<long> weights)
    {
        var sum = weights.Sum();
        if (sum == 0) return new long[weights.Count];
        // 128 bits: the product of two amounts in minor units may exceed 64.
        var shares = weights.Select(w => (Part: (long)((Int128)whole * w / sum), Remainder: (Int128)whole * w % sum)).ToArray();
        var parts = shares.Select(s => s.Part).ToArray();
        var left = (int)(whole - parts.Sum());
        foreach (var i in Enumerable.Range(0, parts.Length).OrderByDescending(i => shares[i].Remainder).Take(left)) parts[i]++;
        return parts;
    }
}
