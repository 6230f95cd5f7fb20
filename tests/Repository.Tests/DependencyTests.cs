namespace Repository.Tests;

/// <summary>Which project may see which. A pure project decides; a host wires it to the world; only the command line sees every host.</summary>
public sealed class DependencyTests
{
    private static readonly string[] Pure = ["Kernel", "PlanDesign", "Usage", "Billing"];

    /// <summary>Mathematics is not input or output.</summary>
    private static readonly string[] NumericalPackages = ["MathNet.Numerics", "System.Numerics.Tensors"];

    /// <summary>Nor is setting a document in type: PdfPig writes to memory.</summary>
    private static readonly string[] DocumentPackages = ["PdfPig"];

    [Fact]
    public void A_pure_project_references_the_kernel_and_numerical_packages_only() => Tree.MustHold(
        from project in Tree.Projects
        where Pure.Contains(project.Name)
        from reference in project.Packages.Except(NumericalPackages).Except(DocumentPackages)
            .Concat(project.Projects.Where(other => other != "Kernel" || project.Name == "Kernel"))
            .Concat(project.Frameworks)
            .Concat(project.Sdk == "Microsoft.NET.Sdk" ? [] : [project.Sdk])
        select $"{project.Path} references {reference}",
        "A pure project does no I/O: move what needs this reference into its host (or, if it is numerical, name the package in NumericalPackages).");

    [Fact]
    public void A_host_references_its_own_pure_project_hosting_and_contracts_and_never_another_service() => Tree.MustHold(
        from project in Tree.Projects
        where project.IsHost
        let own = project.Name[..^".Host".Length]
        from reference in project.Projects.Except([own, "Hosting", "Contracts", "Kernel", "Verifier"])
        select $"{project.Path} references {reference}",
        "A service hears of another one only through contracts/: send a message or ask over gRPC.");

    [Fact]
    public void What_the_services_share_knows_none_of_them() => Tree.MustHold(
        from project in Tree.Projects
        where project.Name is "Hosting" or "Contracts" or "LocalServers"
        from reference in project.Projects.Except(project.Name == "Hosting" ? ["Kernel", "Contracts", "Patched.DistributedLock.Core"] : [])
        select $"{project.Path} references {reference}",
        "Shared projects lie below the services: move the part that knows a service into that service.");

    [Fact]
    public void The_verifier_shares_nothing_with_what_it_verifies() => Tree.MustHold(
        from project in Tree.Projects
        where project.Name == "Verifier"
        from reference in project.Projects.Concat(project.Packages).Concat(project.Frameworks)
        select $"{project.Path} references {reference}",
        "A fault of the writer must not excuse itself in the verifier: write what it needs again, from contracts/README.md and services/Billing/README.md.");

    [Fact]
    public void What_others_connect_with_needs_nothing_of_the_services() => Tree.MustHold(
        from project in Tree.Projects
        where project.Path.StartsWith("contracts/RuntimeClient", StringComparison.Ordinal)
        from reference in project.Projects.Except(project.Name == "RuntimeClient.Chat" ? ["RuntimeClient"] : []).Concat(project.Frameworks)
        select $"{project.Path} references {reference}",
        "It runs in somebody else's process: it is made from the proto, and references packages only.");

    [Fact]
    public void Only_the_command_line_sees_more_than_one_service() => Tree.MustHold(
        from project in Tree.Projects
        where !project.IsTest && project.Name != "Cli" && !project.IsHost
        from reference in project.Projects.Where(other => other.EndsWith(".Host", StringComparison.Ordinal) || other == "Cli")
        select $"{project.Path} references {reference}",
        "Hosts are put together in services/Cli and nowhere else.");

    [Fact]
    public void A_test_project_is_about_the_project_it_is_named_after() => Tree.MustHold(
        from project in Tree.Projects
        where project.IsTest && project.Name is not ("EndToEnd.Tests" or "Cli.Tests" or "Chaos" or "Bench")
        // A client is tested against the service that it talks to.
        let own = project.Name is "RuntimeClient.Tests" ? "Usage.Host" : project.Name.Replace(".Tests", "", StringComparison.Ordinal)
        from reference in project.Projects.Where(other => (other.EndsWith(".Host", StringComparison.Ordinal) && other != own) || other == "Cli")
        select $"{project.Path} references {reference}",
        "Tests of several services together belong in tests/EndToEnd.Tests: two hosts in one test project would both bring a global Program.");

    [Fact]
    public void Every_project_is_in_the_solution() => Tree.MustHold(
        from project in Tree.Projects
        where !Tree.Text("Billing.sln").Replace('\\', '/').Contains(project.Path, StringComparison.Ordinal)
        select project.Path,
        "Add it with: dotnet sln Billing.sln add PATH. What is not in the solution is neither built nor tested.");

    [Fact]
    public void The_image_restores_every_project_that_a_host_needs() => Tree.MustHold(
        from project in Closure(Tree.Projects.Where(project => project.IsHost))
        from file in new[] { project.Path, Path.GetDirectoryName(project.Path) + "/packages.lock.json" }
        where !Tree.Text("deploy/Dockerfile").Contains(file, StringComparison.Ordinal)
        select file,
        "Copy it before `dotnet restore` in deploy/Dockerfile, so that the restored layer stays cached.");

    private static IEnumerable<Project> Closure(IEnumerable<Project> roots)
    {
        var seen = new Dictionary<string, Project>();
        var open = new Queue<Project>(roots);
        while (open.TryDequeue(out var project))
            if (seen.TryAdd(project.Name, project))
                foreach (var name in project.Projects)
                    open.Enqueue(Tree.Projects.Single(other => other.Name == name));
        return seen.Values;
    }
}
