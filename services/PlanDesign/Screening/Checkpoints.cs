namespace PlanDesign.Screening;

/// <summary>
/// How far back a programme remembers its way. Bits for every row would be O(NKM) of memory; instead its numbers are kept at the beginning of every
/// block of about √N rows, and on the way back each block is taken again from there, with bits for its own rows only, and only up to the cap
/// and for the number of plans that the way still has. Memory is O(√N·KM), time at most one more pass of table and programme.
/// </summary>
internal static class Checkpoints
{
    /// <summary>Where bits for all rows are no more than this, nothing is taken twice.</summary>
    private const long BitsKeptAnyway = 32L << 20;

    private const int ColumnsAtATime = 64;

    /// <summary>The rows of a block.</summary>
    /// <param name="numbersPerRow">That a checkpoint keeps, 64 bits each.</param>
    /// <param name="bitsPerRow">That the way back needs.</param>
    public static int BlockRows(int rows, long numbersPerRow, long bitsPerRow) =>
        rows * bitsPerRow <= BitsKeptAnyway ? rows : Math.Min(rows, (int)Math.Ceiling(Math.Sqrt(64.0 * numbersPerRow * rows / bitsPerRow)));

    /// <summary>What bits and checkpoints take together, in bytes.</summary>
    public static long Bytes(int rows, long numbersPerRow, long bitsPerRow)
    {
        var block = BlockRows(rows, numbersPerRow, bitsPerRow);
        // While a block is taken again there are two of them.
        return (block == rows ? 1 : 2) * block * bitsPerRow / 8 + (block == rows ? 0 : (long)Math.Ceiling((double)rows / block) * numbersPerRow * sizeof(double));
    }

    /// <summary>Whole words of bits and whole vectors, so that the same kernels run as in the first pass.</summary>
    public static int Columns(int cap, int all) => Math.Min(all, (cap / ColumnsAtATime + 1) * ColumnsAtATime);
}

/// <summary>The rows again, from the type before <paramref name="from"/> on, over caps 0 … columns − 1.</summary>
internal delegate RestrictedRows RowsAgain(int from, int columns);
