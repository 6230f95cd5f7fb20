namespace Repository.Tests;

public class ReadmeTests
{
    [Theory]
    [InlineData(0, "tests/EndToEnd.Tests/When_a_runtime_connects.cs", "// README: connect a runtime")]
    [InlineData(1, "tests/RuntimeClient.Tests/When_a_runtime_is_written_in_twenty_lines.cs", "// README: the client library")]
    public void The_runtimes_in_the_README_are_those_that_the_tests_run(int position, string file, string marker)
    {
        var example = File.ReadAllLines(Path.Combine(Tree.Root, file));
        var from = Array.FindIndex(example, l => l.Trim() == marker);
        var to = Array.FindIndex(example, from, l => l.Trim() == "// end");
        var region = example[(from + 1)..to].Select(l => l.Length > 8 ? l[8..] : l.TrimStart());

        IEnumerable<string> readme = File.ReadAllLines(Path.Combine(Tree.Root, "README.md"));
        for (var skipped = 0; skipped < position; skipped++) readme = After(readme).SkipWhile(l => l != "```");
        Assert.True(region.SequenceEqual(After(readme).TakeWhile(l => l != "```")), $"README.md and {file} differ: copy the lines between the markers into the README's csharp block");
        static IEnumerable<string> After(IEnumerable<string> lines) => lines.SkipWhile(l => l != "```csharp").Skip(1);
    }
}
