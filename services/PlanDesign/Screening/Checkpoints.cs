namespace PlanDesign.Screening;

/// <summary>
/// How far back a programme remembers its way. Where menus have at most K plans the way has at most K steps, and a state carries where its last one is: a constant
/// number of states, evenly over the rows, is kept, and for each step the rows between it and a checkpoint are taken again. Memory is O(KM). With
/// any number of plans a step may be anywhere, and one bit for each cell says where. Bits for every row would be O(NM) of memory; instead numbers are
/// kept at the beginning of every block of about √N rows, and on the way back each block is taken again from there, with bits for its own rows. Memory is
/// O(√N·M), time at most one more pass. Either takes again only the caps, and the numbers of plans, that the way still has.
/// </summary>
internal static class Checkpoints
{
    private const int OfFewPlansMax = 16, RowsBetweenMin = 8;

    /// <summary>Where bits for all rows are no more than this, nothing is taken twice.</summary>
    private const long BitsKeptAnyway = 32L << 20;

    private const int ColumnsAtATime = 64;

    /// <summary>
    /// The checkpoints of a programme with at most K plans. A step takes half of what lies between two of them again, on average, so that
    /// with 5 plans the way back is an eighth of a pass, and twice as many would save a sixteenth. Few rows need fewer: a checkpoint is as large as the programme itself.
    /// </summary>
    public static int OfFewPlans(int rows) => Math.Min(OfFewPlansMax, rows / RowsBetweenMin);

    /// <summary>So many rows from one checkpoint to the next.</summary>
    public static int Every(int rows, int checkpoints) => (rows + checkpoints) / (checkpoints + 1);

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
