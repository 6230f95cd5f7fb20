using System.Diagnostics;
using System.Xml.Linq;

namespace Repository.Tests;

/// <summary>The repository as its rules see it: the files that git knows or would take, by path from the root.</summary>
internal static class Tree
{
    public static string Root { get; } = Checkout.Root;

    public static IReadOnlyList<string> Files { get; } =
        [.. Git("ls-files", "--cached", "--others", "--exclude-standard").Distinct().Where(file => File.Exists(Path.Combine(Root, file))).Order(StringComparer.Ordinal)];

    public static IEnumerable<string> Named(params string[] endings) => Files.Where(file => endings.Any(ending => file.EndsWith(ending, StringComparison.Ordinal)));

    public static string[] Lines(string file) => File.ReadAllLines(Path.Combine(Root, file));

    public static string Text(string file) => File.ReadAllText(Path.Combine(Root, file));

    public static IReadOnlyList<Project> Projects { get; } = [.. Named(".csproj").Select(Project.Read)];

    /// <summary>Every offence in one message, with what to do instead: a rule that only says no teaches nothing.</summary>
    public static void MustHold(IEnumerable<string> offences, string instead)
    {
        var all = offences.ToArray();
        if (all is not []) Assert.Fail($"{instead}\n  {string.Join("\n  ", all)}");
    }

    public static string[] Git(params string[] arguments)
    {
        // The checkout may belong to somebody else (a CI agent's volume); reading it is harmless.
        var start = new ProcessStartInfo("git", ["-c", "safe.directory=*", "-C", Root, .. arguments]) { RedirectStandardOutput = true };
        using var git = Process.Start(start)!;
        var output = git.StandardOutput.ReadToEnd();
        git.WaitForExit();
        Assert.True(git.ExitCode == 0, $"git {string.Join(' ', arguments)} failed in {Root}: the rules are about what git holds, so run the tests in a checkout");
        return output.Split('\n', StringSplitOptions.RemoveEmptyEntries);
    }
}

/// <summary>One csproj: what it is called, where it lies, and what it references.</summary>
internal sealed record Project(string Name, string Path, string Sdk, IReadOnlyList<string> Packages, IReadOnlyList<string> Projects, IReadOnlyList<string> Frameworks)
{
    public bool IsTest => Path.StartsWith("tests/", StringComparison.Ordinal);
    public bool IsHost => Name.EndsWith(".Host", StringComparison.Ordinal);

    public static Project Read(string file)
    {
        var root = XDocument.Parse(Tree.Text(file)).Root!;
        string[] Included(string element) => [.. root.Descendants(element).Select(e => (string?)e.Attribute("Include")).OfType<string>()];
        return new Project(
            System.IO.Path.GetFileNameWithoutExtension(file), file, (string?)root.Attribute("Sdk") ?? "", Included("PackageReference"),
            [.. Included("ProjectReference").Select(path => System.IO.Path.GetFileNameWithoutExtension(path.Replace('\\', '/')))], Included("FrameworkReference"));
    }
}
