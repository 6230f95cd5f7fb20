using System.Text.RegularExpressions;

namespace Repository.Tests;

/// <summary>Rules over the tree that a reader would otherwise have to remember. Each says what to do instead.</summary>
public sealed partial class TidyTests
{
    private const int FileLinesMax = 350;

    /// <summary>Files that are longer, with their length. The list may only shrink, and so may they.</summary>
    private static readonly Dictionary<string, int> LongFiles = [];

    /// <summary>These rules name what they forbid.</summary>
    private static bool IsRuleItself(string file) => file.StartsWith("tests/Repository.Tests/", StringComparison.Ordinal);

    private static IEnumerable<string> Sources => Tree.Named(".cs", ".proto", ".sh", ".sql", ".yml", ".yaml", ".md", ".csproj", ".props", ".targets", "Dockerfile", "billing", ".ci/run")
        .Where(file => !IsRuleItself(file));

    [Fact]
    public void Defaults_live_in_option_classes() => Tree.MustHold(
        Tree.Files.Where(file => Path.GetFileName(file).StartsWith("appsettings", StringComparison.OrdinalIgnoreCase)),
        "Three hosts run in one process, where their appsettings would collide: put the default in the option class of the service.");

    [Fact]
    public void A_Markdown_file_has_one_title() => Tree.MustHold(
        from file in Tree.Named(".md")
        let titles = Fence().Replace(Tree.Text(file), "").Split('\n').Count(line => line.StartsWith("# ", StringComparison.Ordinal))
        where titles != 1
        select $"{file} has {titles}",
        "A Markdown file has exactly one line that starts with '# ', its title; sections start with '##'.");

    [Fact]
    public void A_file_is_one_thing() => Tree.MustHold(
        from file in Tree.Named(".cs")
        let lines = Tree.Lines(file).Length
        where lines > LongFiles.GetValueOrDefault(file, FileLinesMax)
        select $"{file} has {lines} lines",
        $"A file is one feature and stays under {FileLinesMax} lines: move a decision, a view or a table of cases into a file of its own.");

    [Fact]
    public void The_list_of_long_files_only_shrinks() => Tree.MustHold(
        from entry in LongFiles
        let lines = Tree.Files.Contains(entry.Key) ? Tree.Lines(entry.Key).Length : 0
        where lines < entry.Value
        select $"{entry.Key} has {lines} lines, the list says {entry.Value}",
        $"It got shorter: lower its number in LongFiles, or take it off the list when it is at most {FileLinesMax}.");

    [Fact]
    public void Nothing_is_left_for_later() => Offences(
        Sources, Unfinished(), "Finish it, or say in the folder's README what it does not do; a mark in the code is forgotten.");

    [Fact]
    public void No_class_is_named_for_doing_things_in_general() => Offences(
        Tree.Named(".cs").Where(file => !IsRuleItself(file)), VagueName(), "Name it by what it is in the domain: a Ledger, a Publisher, a Scenario.");

    [Fact]
    public void Code_has_no_regions() => Offences(
        Tree.Named(".cs").Where(file => !IsRuleItself(file)), Region(), "A region hides that a file is two things: split it.");

    [Fact]
    public void Tests_wait_for_conditions_and_skip_nothing() => Offences(
        // A benchmark is no test: it runs for a given time.
        Tree.Named(".cs").Where(file => file.StartsWith("tests/", StringComparison.Ordinal) && !file.StartsWith("tests/Bench/", StringComparison.Ordinal)
            && file != "tests/Testing/Eventually.cs" && !IsRuleItself(file)),
        SleepOrSkip(), "Wait with Eventually.True(condition, because); a test that cannot run here must fail and say what to install.");

    [Fact]
    public void The_tree_knows_no_machine_and_no_secret() => Offences(
        Tree.Files.Where(file => file != ".ci/run" && !IsRuleItself(file) && !file.EndsWith(".png", StringComparison.Ordinal)), MachineOrSecret(),
        "Paths are relative to the checkout or come from the environment; secrets are generated into .env, which git ignores.");

    [Fact]
    public void What_is_run_can_be_run()
    {
        string[] scripts = ["billing", ".ci/run", "deploy/postgres/init.sh"];
        var modes = Tree.Git(["ls-files", "-s", "--", .. scripts]);
        Tree.MustHold(
            scripts.Where(script => !modes.Any(mode => mode.StartsWith("100755", StringComparison.Ordinal) && mode.EndsWith($"\t{script}", StringComparison.Ordinal))),
            "Give it its run bit in git: git update-index --add --chmod=+x PATH");
    }

    private static void Offences(IEnumerable<string> files, Regex forbidden, string instead) => Tree.MustHold(
        from file in files
        from found in Tree.Lines(file).Select((line, number) => (line, number))
        where forbidden.IsMatch(found.line)
        select $"{file}:{found.number + 1}: {found.line.Trim()}",
        instead);

    [GeneratedRegex("^```.*?^```", RegexOptions.Multiline | RegexOptions.Singleline)]
    private static partial Regex Fence();

    [GeneratedRegex(@"\b(TODO|FIXME|HACK|NotImplementedException)\b")]
    private static partial Regex Unfinished();

    [GeneratedRegex(@"\b(class|record|struct|interface|enum)\s+\w*(Manager|Helper|Helpers|Utils|Util|Mapper)\b")]
    private static partial Regex VagueName();

    [GeneratedRegex(@"^\s*#region\b")]
    private static partial Regex Region();

    [GeneratedRegex(@"Thread\.Sleep\(|Task\.Delay\(|\bSkip\s*=\s*""")]
    private static partial Regex SleepOrSkip();

    [GeneratedRegex(@"(^|[\s""'`(=])/work/|\.\./shared|/home/\w+/|/root/|-----BEGIN [A-Z ]*PRIVATE KEY|bk_live_[0-9a-f]{32}|AKIA[0-9A-Z]{16}")]
    private static partial Regex MachineOrSecret();
}
