namespace Repository.Tests;

public class ReadmeTests
{
    [Fact]
    public void The_runtime_in_the_README_is_the_one_that_the_tests_run()
    {
        var example = File.ReadAllLines(Path.Combine(Tree.Root, "tests/EndToEnd.Tests/When_a_runtime_connects.cs"));
        var from = Array.FindIndex(example, l => l.Trim() == "// README: connect a runtime");
        var to = Array.FindIndex(example, l => l.Trim() == "// end");
        var region = example[(from + 1)..to].Select(l => l.Length > 8 ? l[8..] : l.TrimStart());

        var readme = File.ReadAllLines(Path.Combine(Tree.Root, "README.md"));
        var block = readme.SkipWhile(l => l != "```csharp").Skip(1).TakeWhile(l => l != "```");
        Assert.True(region.SequenceEqual(block), "README.md and tests/EndToEnd.Tests/When_a_runtime_connects.cs differ: copy the lines between the markers into the README's csharp block");
    }
}
