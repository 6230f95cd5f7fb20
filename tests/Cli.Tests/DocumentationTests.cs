using System.CommandLine.Parsing;
using System.Text.RegularExpressions;

namespace Cli.Tests;

/// <summary>Whatever the documentation tells somebody to type is understood.</summary>
public sealed partial class DocumentationTests
{
    /// <summary>Words of the launcher, which knows them before the command does.</summary>
    private static readonly string[] OfTheLauncher = ["test", "up", "down"];

    public static TheoryData<string> Pages() => [.. Directory.EnumerateFiles(Checkout.Root, "*.md", SearchOption.AllDirectories)
        .Select(file => Path.GetRelativePath(Checkout.Root, file)).Where(file => !file.StartsWith('.') && !file.StartsWith("artifacts", StringComparison.Ordinal)).Order(StringComparer.Ordinal)];

    [Theory, MemberData(nameof(Pages))]
    public void Every_command_of_the_documentation_is_understood(string page)
    {
        var text = File.ReadAllText(Path.Combine(Checkout.Root, page));
        var billing = BillingCommand.Create();
        var misunderstood = from line in Blocks(text).SelectMany(Lines).Concat(Spans(text))
                            from command in Commands(line)
                            let words = Words(command)
                            where !OfTheLauncher.Contains(words[0])
                            from error in billing.Parse(words).Errors.Take(1)
                            select $"billing {command}: {error.Message}";
        Assert.Equal("", string.Join('\n', misunderstood));
    }

    [Fact]
    public void The_README_and_the_manuals_of_operators_show_commands() =>
        Assert.All(new[] { "README.md", "deploy/README.md" }, page => Assert.True(Blocks(File.ReadAllText(Path.Combine(Checkout.Root, page))).SelectMany(Lines).SelectMany(Commands).Count() > 5));

    private static IEnumerable<string> Blocks(string text) => Block().Matches(text).Select(m => m.Groups[1].Value);

    /// <summary>A line that ends in a backslash goes on in the next.</summary>
    private static IEnumerable<string> Lines(string block) => block.Replace("\\\n", " ", StringComparison.Ordinal).Split('\n');

    /// <summary>A sentence may name a command without what it needs, such as `billing menu watch`: only what has an option is taken for a whole one.</summary>
    private static IEnumerable<string> Spans(string text) => Span().Matches(Block().Replace(text, "")).Select(m => m.Groups[1].Value).Where(span => span.Contains(" -", StringComparison.Ordinal));

    /// <summary>Without prompt, comment and what the shell does with it; two on one line are two.</summary>
    private static IEnumerable<string> Commands(string line) => Comment().Replace(line, "").Split(["&&", "|", ">"], StringSplitOptions.TrimEntries)
        .Select(part => Start().Match(part)).Where(m => m.Success).Select(m => m.Groups[1].Value.Replace("[", "", StringComparison.Ordinal).Replace("]", "", StringComparison.Ordinal));

    /// <summary>With something where the page leaves it to the reader: behind an option there must be a value, and elsewhere an ellipsis stands for more of the same.</summary>
    private static string[] Words(string command)
    {
        string[] words = [.. CommandLineParser.SplitCommandLine(command)];
        return [.. words.Select((word, n) => word switch { "…" when n > 0 && words[n - 1].StartsWith("--", StringComparison.Ordinal) => "1", "N" or "S" => "1", "TIME" => "2026-01-15", _ => word }).Where(word => word != "…")];
    }

    [GeneratedRegex(@"^```[a-z]*\n(.*?)^```$", RegexOptions.Multiline | RegexOptions.Singleline)]
    private static partial Regex Block();

    [GeneratedRegex(@"(?<!`)`([^`\n]+)`(?!`)")]
    private static partial Regex Span();

    [GeneratedRegex(@"\s+#.*$")]
    private static partial Regex Comment();

    [GeneratedRegex(@"^(?:\$ )?(?:[A-Z_]+=\S+ )*(?:\./)?billing ([a-z].*)$")]
    private static partial Regex Start();
}
