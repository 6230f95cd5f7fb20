using System.Text.RegularExpressions;

namespace Repository.Tests;

/// <summary>What a deployment says of the services must be so: an option that is misspelt there is silently another one's default.</summary>
public sealed partial class DeploymentTests
{
    private static IEnumerable<string> Manifests => Tree.Named(".yaml").Where(file => file.StartsWith("deploy/k8s/", StringComparison.Ordinal));

    /// <summary>Every option of every option class, as the environment names it.</summary>
    private static HashSet<string> Options { get; } = [.. Tree.Named("Options.cs", "Calls.cs").Where(file => file.StartsWith("services/", StringComparison.Ordinal)).SelectMany(OptionsIn)];

    [Fact]
    public void Every_option_that_a_deployment_names_exists() => Tree.MustHold(
        from file in Manifests.Concat(Tree.Named("docker-compose.yml", "docker-compose.demo.yml", "deploy/README.md", "deploy/Dockerfile"))
        from Match named in OptionName().Matches(Tree.Text(file))
        let option = Index().Replace(named.Value, "")
        where !Options.Contains(option)
        select $"{file}: {named.Value}",
        "No option class has it: look at the class of its section for how it is spelt.");

    [Fact]
    public void Every_variable_of_the_composition_stands_in_the_example_of_its_file()
    {
        var listed = Tree.Lines(".env.example").Select(line => Variable().Match(line).Groups[1].Value).ToHashSet();
        Tree.MustHold(
            from file in Tree.Named("docker-compose.yml", "docker-compose.demo.yml")
            from Match used in Substitution().Matches(Tree.Text(file))
            where !listed.Contains(used.Groups[1].Value)
            select $"{file}: {used.Groups[1].Value}",
            "List it in .env.example, commented out with its default if it has one: the runbook says that all are there.");
    }

    [Fact]
    public void Manifests_are_documents_of_a_kind_with_a_name() => Tree.MustHold(
        from file in Manifests
        from document in Tree.Text(file).Split("\n---\n")
        let wrong = Wrong(document, file)
        where wrong is not null
        select $"{file}: {wrong}",
        "Write it as Kubernetes reads it; kubectl kustomize deploy/k8s says more.");

    [Fact]
    public void The_kustomization_lists_every_manifest()
    {
        var listed = Tree.Lines("deploy/k8s/kustomization.yaml").Select(l => l.Trim()).Where(l => l.StartsWith("- ", StringComparison.Ordinal) && l.EndsWith(".yaml", StringComparison.Ordinal)).Select(l => $"deploy/k8s/{l[2..]}");
        Assert.Equal(Manifests.Where(m => !m.EndsWith("/kustomization.yaml", StringComparison.Ordinal)).Order(StringComparer.Ordinal), listed.Order(StringComparer.Ordinal));
    }

    [Fact]
    public void Every_service_is_probed_bounded_kept_up_and_published_on_both_ports() => Tree.MustHold(
        from service in new[] { "plan-design", "usage", "billing" }
        let manifest = Tree.Text($"deploy/k8s/{service}.yaml")
        from needed in new[]
        {
            "kind: Deployment", "kind: Service", "kind: PodDisruptionBudget", "readinessProbe:", "livenessProbe:", "startupProbe:", "/health/ready", "/health/live", "resources:", "limits:", "requests:",
            "port: 8080", "port: 8081", "secretKeyRef:", "runAsNonRoot: true", "readOnlyRootFilesystem: true", "Access__Keys__0", "Calls__Key",
        }
        where !manifest.Contains(needed, StringComparison.Ordinal)
        select $"deploy/k8s/{service}.yaml lacks {needed}",
        "Each of the three has all of it.");

    [Fact]
    public void A_manifest_holds_no_secret() => Tree.MustHold(
        from file in Manifests
        from line in Tree.Lines(file)
        where Secret().IsMatch(line)
        select $"{file}: {line.Trim()}",
        "A secret is named with secretKeyRef; deploy/README.md says how billing-secrets is made.");

    private static IEnumerable<string> OptionsIn(string file)
    {
        var section = "";
        foreach (var line in Tree.Lines(file))
        {
            if (Section().Match(line) is { Success: true } begins) section = begins.Groups[1].Value.Replace(":", "__", StringComparison.Ordinal);
            else if (section.Length > 0 && Property().Match(line) is { Success: true } property) yield return $"{section}__{property.Groups[1].Value}";
        }
    }

    private static string? Wrong(string document, string file)
    {
        var lines = document.Split('\n');
        if (lines.FirstOrDefault(l => l.Contains('\t', StringComparison.Ordinal)) is { } tab) return $"a tab in '{tab}'";
        if (lines.FirstOrDefault(l => !Line().IsMatch(l)) is { } odd) return $"'{odd}' is neither a key, nor an item, nor a comment";
        if (lines.FirstOrDefault(l => l.Trim().Length > 0 && (l.Length - l.TrimStart().Length) % 2 != 0) is { } crooked) return $"'{crooked}' is indented by an odd number";
        var kustomization = file.EndsWith("/kustomization.yaml", StringComparison.Ordinal);
        foreach (var key in kustomization ? ["apiVersion: ", "kind: "] : new[] { "apiVersion: ", "kind: ", "metadata:" })
            if (!lines.Any(l => l.StartsWith(key, StringComparison.Ordinal))) return $"it lacks {key.Trim()}";
        return kustomization || lines.SkipWhile(l => l != "metadata:").Skip(1).FirstOrDefault()?.StartsWith("  name: ", StringComparison.Ordinal) == true ? null : "metadata has no name";
    }

    [GeneratedRegex(@"\b[A-Z][A-Za-z]+(?:__[A-Z0-9][A-Za-z0-9]*)+\b")]
    private static partial Regex OptionName();

    [GeneratedRegex(@"\$\{([A-Z0-9_]+)")]
    private static partial Regex Substitution();

    [GeneratedRegex(@"^(?:# )?([A-Z0-9_]+)=")]
    private static partial Regex Variable();

    [GeneratedRegex(@"(__\d+)+$")]
    private static partial Regex Index();

    [GeneratedRegex("""const string Section = "([^"]+)";""")]
    private static partial Regex Section();

    [GeneratedRegex(@"^    public \S+ (\w+) \{ get; init; \}")]
    private static partial Regex Property();

    [GeneratedRegex(@"^\s*($|#.*|- .+|""?[\w./-]+""?:( .+)?)$")]
    private static partial Regex Line();

    [GeneratedRegex(@"(?i)(password|bk_live_[0-9a-f]|amqp://|private key)")]
    private static partial Regex Secret();
}
