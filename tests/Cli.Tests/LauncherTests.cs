using System.Diagnostics;

namespace Cli.Tests;

/// <summary>The script at the root, with a dotnet that only says what it was given.</summary>
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

        void Write(string path, string script)
        {
            File.WriteAllText(In(path), "#!/bin/sh\n" + script + "\n");
            if (!OperatingSystem.IsWindows()) File.SetUnixFileMode(In(path), (UnixFileMode)0b111_101_101);
        }

        static string Installed(string tool) => new[] { "/usr/bin", "/bin" }.Select(folder => Path.Combine(folder, tool)).First(File.Exists);
    }

    private async Task<string> Say(string env, Dictionary<string, string?> environment, params string[] words)
    {
        await File.WriteAllLinesAsync(In(".env"), [.. env.Split(' '), "BILLING_API_KEY=k"]);
        // Built before, it would look for newer sources, of which there are none here.
        if (Directory.Exists(In("artifacts"))) Directory.Delete(In("artifacts"), recursive: true);
        var start = new ProcessStartInfo("bash", [In("billing"), .. words]) { RedirectStandardOutput = true, RedirectStandardError = true };
        foreach (var name in new[] { "PLAN_DESIGN_ADDRESS", "USAGE_ADDRESS", "BILLING_ADDRESS", "BILLING_API_KEY" }) start.Environment.Remove(name);
        start.Environment["PATH"] = $"{In("bin")}:{Environment.GetEnvironmentVariable("PATH")}";
        foreach (var (name, value) in environment) start.Environment[name] = value;
        using var process = Process.Start(start)!;
        var (output, error) = (process.StandardOutput.ReadToEndAsync(), process.StandardError.ReadToEndAsync());
        await process.WaitForExitAsync();
        Assert.True(process.ExitCode == 0, await error);
        return (await output).Trim();
    }

    private string In(string path) => Path.Combine(_root, path);

    public void Dispose() => Directory.Delete(_root, recursive: true);
}
