namespace PlanDesign.Screening;

/// <summary>
/// One bit for each cell of a table, which is what the way back through a dynamic programme needs: that a running maximum was
/// reached anew at m says where any prefix maximum stands, at a thirty-second of the memory of an index.
/// </summary>
internal sealed class BitRows(int rows, int columns)
{
    private readonly int _words = (columns + 63) / 64;
    private readonly ulong[] _bits = new ulong[(long)rows * ((columns + 63) / 64)];

    public Span<ulong> Row(int row) => _bits.AsSpan(row * _words, _words);

    public static void Set(Span<ulong> row, int column) => row[column >> 6] |= 1UL << (column & 63);

    public static bool IsSet(ReadOnlySpan<ulong> row, int column) => (row[column >> 6] >> (column & 63) & 1) != 0;

    /// <summary>The last set column at or before <paramref name="column"/>, or −1.</summary>
    public static int LastSetUpTo(ReadOnlySpan<ulong> row, int column)
    {
        var word = column >> 6;
        var bits = row[word] << (63 - (column & 63)) >> (63 - (column & 63));
        while (bits == 0)
        {
            if (--word < 0) return -1;
            bits = row[word];
        }
        return word * 64 + 63 - System.Numerics.BitOperations.LeadingZeroCount(bits);
    }
}
