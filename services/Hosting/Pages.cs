namespace Hosting;

/// <summary>How long a page of a list is.</summary>
public static class Pages
{
    private const int Default = 100, Max = 1_000;

    /// <param name="asked">page_size of a request; 0 for the default</param>
    /// <exception cref="FormatException">It is out of bounds; says which they are.</exception>
    public static int Size(int asked) => asked switch
    {
        0 => Default,
        < 0 or > Max => throw new FormatException($"page_size must be from 1 to {Max}, or 0 for {Default}"),
        _ => asked,
    };
}
