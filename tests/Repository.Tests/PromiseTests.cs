using System.Text.RegularExpressions;

namespace Repository.Tests;

/// <summary>What the documents promise has a place in the code, and the other way round.</summary>
public sealed partial class PromiseTests
{
    [Fact]
    public void Every_invariant_has_a_test_with_its_number_in_its_name()
    {
        string[] invariants = ["U1", "U2", "U3", "U4", "U5", "U6", "B1", "B2", "B3", "B4", "B5", "B6"];
        var names = Tree.Named(".cs").Where(file => file.StartsWith("tests/", StringComparison.Ordinal)).SelectMany(Tree.Lines)
            .Select(line => TestName().Match(line)).Where(m => m.Success).SelectMany(m => m.Groups[1].Value.Split('_')).ToHashSet();
        Tree.MustHold(
            invariants.Where(invariant => !names.Contains(invariant)),
            "Write the test that shows it, with the number as a word of its name: B2_two_that_finalize_at_once_get_one_number.");
    }

    [Fact]
    public void Every_test_that_the_page_of_others_failures_names_is_there()
    {
        var names = Tree.Named(".cs").Where(file => file.StartsWith("tests/", StringComparison.Ordinal)).SelectMany(Tree.Lines).Select(line => TestName().Match(line).Groups[1].Value).ToHashSet();
        Tree.MustHold(
            Quoted().Matches(Tree.Text("docs/failures-of-others.md")).Select(m => m.Groups[1].Value).Where(name => name.Contains('_', StringComparison.Ordinal) && !names.Contains(name)),
            "Name the test as it is called now.");
    }

    [Fact]
    public void Every_reason_is_snake_case_and_explained_to_whoever_gets_it()
    {
        var explained = Tree.Text("contracts/README.md");
        Tree.MustHold(
            from file in Tree.Named(".cs")
            // What only the command says, when books are raised in an empty store, is read by whoever runs it.
            where file.StartsWith("services/", StringComparison.Ordinal) && !file.EndsWith("BooksImport.cs", StringComparison.Ordinal) && !file.EndsWith("ImportedViews.cs", StringComparison.Ordinal)
            from line in Tree.Lines(file)
            from reason in Reason().Matches(line).Concat(file.EndsWith("/Reasons.cs", StringComparison.Ordinal) ? ReasonConstant().Matches(line) : []).Select(m => m.Groups[1].Value)
            where !SnakeCase().IsMatch(reason) || !explained.Contains($"`{reason}`", StringComparison.Ordinal)
            select $"{file}: {reason}",
            "A reason is lower-case words joined by _, and stands in a table of contracts/README.md with what to do about it.");
    }

    [GeneratedRegex(@"^\s*public (?:async )?(?:Task|void) (\w+)\(")]
    private static partial Regex TestName();

    [GeneratedRegex("`([^`]+)`")]
    private static partial Regex Quoted();

    [GeneratedRegex(@"(?:Refuse|new Refusal)\s*\(""([^""]+)""")]
    private static partial Regex Reason();

    [GeneratedRegex(@"const string \w+ = ""([^""]+)""")]
    private static partial Regex ReasonConstant();

    [GeneratedRegex("^[a-z][a-z0-9]*(_[a-z0-9]+)*$")]
    private static partial Regex SnakeCase();
}
