using System.Globalization;

namespace Cli.Tests;

/// <summary>A command that a page of docs shows, and what it says that is printed. A line "# 2026-02-16" above the prompt is the day on which it is given.</summary>
internal sealed record DocumentedCommand(DateTimeOffset? Day, string[] Args, string[] Printed)
{
    private const string Prompt = "$ ./billing ";

    /// <param name="page">its file name in docs</param>
    public static IEnumerable<DocumentedCommand> Of(string page)
    {
        var parts = File.ReadAllText(Path.Combine(Checkout.Root, "docs", page)).Split(Prompt);
        foreach (var (before, part) in parts.Zip(parts.Skip(1)))
        {
            var end = part.IndexOf('\n', StringComparison.Ordinal);
            var above = before.TrimEnd().Split('\n')[^1];
            DateTimeOffset? day = DateTimeOffset.TryParseExact(above, "'# 'yyyy-MM-dd", CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal, out var at) ? at : null;
            yield return new(day, part[..end].Split(' '), [.. Lines(part[end..].Split("```")[0]).Where(l => !l.StartsWith("# ", StringComparison.Ordinal))]);
        }
    }

    public static string[] Lines(string text) => [.. text.Split('\n').Select(l => l.TrimEnd()).Where(l => l.Length > 0)];
}
