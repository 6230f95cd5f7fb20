using System.Diagnostics;

namespace Cli.Tests;

/// <summary>The script at the root, with a dotnet that only says what it was given, and a docker that only keeps volumes.</summary>
public sealed class LauncherTests : IDisposable
{
    private readonly string _root = Directory.CreateTempSubdirectory("launcher-").FullName;

    public LauncherTests()
    {
        File.Copy(Path.Combine(Checkout.Root, "billing"), In("billing"));
        Directory.CreateDirectory(In("bin"));
        File.WriteAllText(In("bin/dotnet"), """
            #!/bin/sh
            case "$1" in *.dll) echo "$PLAN_DESIGN_ADDRESS|$USAGE_ADDRESS|$BILLING_ADDRESS|$BILLING_API_KEY" ;; esac
            """);
        if (!OperatingSystem.IsWindows()) File.SetUnixFileMode(In("bin/dotnet"), (UnixFileMode)0b111_101_101);
    }

    [Theory]
    [InlineData("BIND_ADDRESS=127.0.0.1 BILLING_GRPC_PORT=8281 USAGE_GRPC_PORT=8181-8183", "|http://127.0.0.1:8181|http://127.0.0.1:8281|k")]
    [InlineData("BILLING_GRPC_PORT=9281", "||http://127.0.0.1:9281|k")]
    [InlineData("BIND_ADDRESS=0.0.0.0 BILLING_GRPC_PORT=8281", "||http://127.0.0.1:8281|k")]
    [InlineData("BIND_ADDRESS=10.0.0.5 BILLING_GRPC_PORT=8281", "||http://10.0.0.5:8281|k")]
    [InlineData("BIND_ADDRESS=:: BILLING_GRPC_PORT=8281", "||http://[::1]:8281|k")]
    [InlineData("PLAN_DESIGN_ADDRESS=https://plans.example.com BILLING_ADDRESS=https://billing.example.com:8281 BILLING_GRPC_PORT=8281", "https://plans.example.com||https://billing.example.com:8281|k")]
    public async Task Services_are_found_where_the_file_says_and_are_shown_its_key(string env, string said) => Assert.Equal(said, await Say(env, [], "menu", "list"));

    [Fact]
    public async Task Nobody_else_is_shown_the_key()
    {
        const string Env = "BIND_ADDRESS=10.0.0.5 BILLING_GRPC_PORT=8281";
        Assert.Equal("||http://10.0.0.5:8281|", await Say(Env, [], "invoice", "list", "--billing", "http://10.0.0.6:8281"));
        Assert.Equal("||http://10.0.0.5:8281|", await Say(Env, [], "invoice", "list", "--billing=https://k@10.0.0.5:8281"));
        Assert.Equal("||http://elsewhere:1|", await Say(Env, new() { ["BILLING_ADDRESS"] = "http://elsewhere:1" }, "invoice", "list"));
        Assert.Equal("||http://elsewhere:1|other", await Say(Env, new() { ["BILLING_ADDRESS"] = "http://elsewhere:1", ["BILLING_API_KEY"] = "other" }, "invoice", "list"));
    }

    [Theory]
    [InlineData("k", "webhook", "add", "https://example.com/hook")]
    [InlineData("k", "customer", "erase", "cus_1", "--reason", "https://tickets.example.com/1")]
    [InlineData("k", "invoice", "list", "--billing", "HTTP://LocalHost:8281")]
    [InlineData("k", "invoice", "list", "--billing=HTTP://10.0.0.5:8281")]
    [InlineData("", "invoice", "list", "--billing", "HTTP://other.example")]
    [InlineData("", "usage", "totals", "--usage=HTTPS://other.example")]
    [InlineData("", "menu", "list", "--plan-design:http://other.example")]
    [InlineData("", "demo", "--connect", "--usage", " http://other.example")]
    [InlineData("", "invoice", "list", "@options")]
    public async Task Only_where_services_are_decides_who_is_shown_the_key(string key, params string[] words) =>
        Assert.Equal($"||http://10.0.0.5:8281|{key}", await Say("BIND_ADDRESS=10.0.0.5 BILLING_GRPC_PORT=8281", [], words));

    [Fact]
    public async Task A_simulated_clock_comes_to_no_volume_but_those_made_for_it()
    {
        await ContainersAsync("COMPOSE_PROJECT_NAME=\"acme\"", "POSTGRES_PASSWORD=p");
        Assert.Equal("", await UpAsync("--demo"));
        Assert.Equal("", await UpAsync("--demo", "--scale", "usage=3"));
        Assert.Equal("acme_postgres-data", Path.GetFileName(Assert.Single(Directory.GetFiles(In("volumes")))));

        // Docker says another time of it whenever it has been mounted.
        await File.WriteAllTextAsync(In("volumes/acme_postgres-data"), "2026-01-02");
        Assert.Equal("", await UpAsync("--demo"));
        // Removed, and made again on real time.
        File.Delete(In("volumes/acme_postgres-data"));
        Assert.Equal("", await UpAsync());
        Assert.Contains("acme_postgres-data may hold real books", await UpAsync("--demo"), StringComparison.Ordinal);
        File.Delete(In("volumes/acme_postgres-data"));
        Assert.Equal("", await UpAsync("--demo"));
        Assert.Equal("", await UpAsync());
        Assert.Contains("COMPOSE_PROJECT_NAME=billing-demo ./billing up --demo", await UpAsync("--demo"), StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_file_that_lacks_nothing_is_left_as_it_is_and_one_that_does_is_written_where_it_lies()
    {
        await ContainersAsync("COMPOSE_PROJECT_NAME=acme", "POSTGRES_PASSWORD=p");
        File.Move(In(".env"), In("kept"));
        File.CreateSymbolicLink(In(".env"), "kept");
        if (!OperatingSystem.IsWindows()) File.SetUnixFileMode(In("kept"), UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.GroupRead);
        var (before, written) = (await File.ReadAllTextAsync(In("kept")), new DateTime(2026, 1, 1, 0, 0, 0, DateTimeKind.Utc));
        File.SetLastWriteTimeUtc(In("kept"), written);
        Assert.Equal("", await UpAsync());
        Assert.Equal((before, written), (await File.ReadAllTextAsync(In("kept")), File.GetLastWriteTimeUtc(In("kept"))));

        await File.AppendAllTextAsync(In(".env.example"), "RABBITMQ_PASSWORD=generated\n");
        Assert.Contains("adding RABBITMQ_PASSWORD", await UpAsync(), StringComparison.Ordinal);
        Assert.Equal("kept", new FileInfo(In(".env")).LinkTarget);
        Assert.StartsWith(before + "RABBITMQ_PASSWORD=", await File.ReadAllTextAsync(In("kept")), StringComparison.Ordinal);
        if (!OperatingSystem.IsWindows()) Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.GroupRead, File.GetUnixFileMode(In("kept")));
        Assert.False(File.Exists(In(".env.new")));
    }

    [Fact]
    public async Task The_project_that_the_file_names_is_the_one_whose_volume_is_looked_at()
    {
        await ContainersAsync("COMPOSE_PROJECT_NAME=acme", "POSTGRES_PASSWORD=generated");
        await File.WriteAllTextAsync(In("volumes/acme_postgres-data"), "2026-01-01");
        Assert.Contains("the volume acme_postgres-data may have been made with", await UpAsync(), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("")]
    [InlineData("HUP")]
    [InlineData("INT")]
    [InlineData("TERM")]
    public async Task Servers_of_the_machine_may_start_again_however_an_install_ends(string signal)
    {
        // On a machine that has nothing but apt-get, and where what forbids starts lies in this folder.
        var (policy, seen) = (In("policy-rc.d"), In("seen"));
        await File.WriteAllTextAsync(In("billing"), (await File.ReadAllTextAsync(In("billing"))).Replace("/usr/sbin/policy-rc.d", policy, StringComparison.Ordinal));
        File.Delete(In("bin/dotnet"));
        foreach (var tool in new[] { "bash", "cat", "chmod", "dirname", "env", "grep", "id", "mktemp", "readlink", "rm", "tail", "tee" })
            File.CreateSymbolicLink(In($"bin/{tool}"), Installed(tool));
        Write("bin/sudo", "[ \"$1\" != -n ] || shift; exec \"$@\"");
        Write("bin/apt-get", $"case \" $* \" in *' install '*) ;; *) exit 0 ;; esac; cat '{policy}' >'{seen}'; {(signal.Length > 0 ? $"kill -s {signal} $PPID; " : "")}exit 1");
        var start = new ProcessStartInfo(Installed("bash"), [In("billing"), "menu", "list"]) { RedirectStandardOutput = true, RedirectStandardError = true };
        (start.Environment["PATH"], start.Environment["HOME"]) = (In("bin"), _root);
        using var process = Process.Start(start)!;
        var (output, error) = (process.StandardOutput.ReadToEndAsync(), process.StandardError.ReadToEndAsync());
        await process.WaitForExitAsync();

        Assert.True(process.ExitCode != 0, await output + await error);
        Assert.Contains("exit 101", await File.ReadAllTextAsync(seen), StringComparison.Ordinal);
        Assert.False(File.Exists(policy));

        static string Installed(string tool) => new[] { "/usr/bin", "/bin" }.Select(folder => Path.Combine(folder, tool)).First(File.Exists);
    }

    /// <summary>A Docker whose volumes are files that say when they were made.</summary>
    private async Task ContainersAsync(params string[] env)
    {
        await File.WriteAllLinesAsync(In(".env"), env);
        await File.WriteAllTextAsync(In(".env.example"), "POSTGRES_PASSWORD=generated\n");
        Directory.CreateDirectory(In("volumes"));
        Write("bin/docker", $$"""
            for last; do :; done
            volume='{{In("volumes")}}/'$(sed -n 's/^COMPOSE_PROJECT_NAME=//p' '{{In(".env")}}' | tr -d '"')_postgres-data
            case "$*" in
              "volume inspect"*) cat "{{In("volumes")}}/$last" ;;
              compose*" up -d"*) [ -e "$volume" ] || echo 2026-01-01 >"$volume" ;;
              compose*" ps -q") echo c1 ;;
              "inspect "*) echo /c1 running ;;
            esac
            """);
    }

    /// <summary>What it complains of; nothing when all is up.</summary>
    private async Task<string> UpAsync(params string[] words)
    {
        var (exit, _, error) = await RunAsync([], ["up", .. words]);
        Assert.Equal(error.Contains("may ", StringComparison.Ordinal) ? 1 : 0, exit);
        return error;
    }

    private void Write(string path, string script)
    {
        File.WriteAllText(In(path), "#!/bin/sh\n" + script + "\n");
        if (!OperatingSystem.IsWindows()) File.SetUnixFileMode(In(path), (UnixFileMode)0b111_101_101);
    }

    private async Task<string> Say(string env, Dictionary<string, string?> environment, params string[] words)
    {
        await File.WriteAllLinesAsync(In(".env"), [.. env.Split(' '), "BILLING_API_KEY=k"]);
        // Built before, it would look for newer sources, of which there are none here.
        if (Directory.Exists(In("artifacts"))) Directory.Delete(In("artifacts"), recursive: true);
        var (exit, output, error) = await RunAsync(environment, words);
        Assert.True(exit == 0, error);
        return output.Trim();
    }

    private async Task<(int Exit, string Output, string Error)> RunAsync(Dictionary<string, string?> environment, string[] words)
    {
        var start = new ProcessStartInfo("bash", [In("billing"), .. words]) { RedirectStandardOutput = true, RedirectStandardError = true };
        foreach (var name in new[] { "PLAN_DESIGN_ADDRESS", "USAGE_ADDRESS", "BILLING_ADDRESS", "BILLING_API_KEY", "COMPOSE_PROJECT_NAME", "COMPOSE_DEMO" }) start.Environment.Remove(name);
        start.Environment["PATH"] = $"{In("bin")}:{Environment.GetEnvironmentVariable("PATH")}";
        foreach (var (name, value) in environment) start.Environment[name] = value;
        using var process = Process.Start(start)!;
        var (output, error) = (process.StandardOutput.ReadToEndAsync(), process.StandardError.ReadToEndAsync());
        await process.WaitForExitAsync();
        return (process.ExitCode, await output, await error);
    }

    private string In(string path) => Path.Combine(_root, path);

    public void Dispose() => Directory.Delete(_root, recursive: true);
}
