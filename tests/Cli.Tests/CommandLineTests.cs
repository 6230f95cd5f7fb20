using System.CommandLine;
using System.Diagnostics;
using System.Net;
using System.Net.Sockets;

namespace Cli.Tests;

public sealed class CommandLineTests
{
    [Fact]
    public async Task Whoever_interrupts_a_command_reads_so_and_a_script_sees_130()
    {
        var command = new Command("solve");
        command.SetAction((_, _) => Task.FromCanceled<int>(new(canceled: true)));
        Assert.Equal((CommandLine.Interrupted, "", "billing: interrupted\n"), await InProcess.RunAsync(command, ""));
    }

    [Fact]
    public async Task Being_stopped_in_the_middle_of_a_call_says_no_more_than_that()
    {
        // Somebody listens, and never answers.
        using var silent = new TcpListener(IPAddress.Loopback, 0);
        silent.Start();
        var home = Directory.CreateTempSubdirectory("interrupted-").FullName;
        var address = $"http://{silent.LocalEndpoint}";
        using var demo = DotnetProcess.Start(BillingProcess.Dll, new Dictionary<string, string?> { ["BILLING_HOME"] = home }, "demo", "--connect", "--json", "--plan-design", address, "--usage", address, "--billing", address);
        var error = demo.StandardError.ReadToEndAsync();
        using (await silent.AcceptTcpClientAsync())
        {
            // As by Ctrl-C, to which whoever is started in the background of a script is deaf.
            using var kill = Process.Start("kill", ["-TERM", $"{demo.Id}"]);
            await demo.WaitForExitAsync();
        }
        Directory.Delete(home, recursive: true);
        Assert.Equal(CommandLine.Interrupted, demo.ExitCode);
        Assert.EndsWith("\nbilling: interrupted\n", await error, StringComparison.Ordinal);
    }

    /// <summary>Nobody listens there: it is said before anything is asked, and no service is left with half of it.</summary>
    [Theory]
    [InlineData("seller", "describe", "--name", "Tokenwerke", "--address", "Torstr. 1")]
    [InlineData("account", "credit", "cus_1", "--name", "Welcome", "--amount", "5.00")]
    [InlineData("subscription", "migrate", "sub_1", "--menu", "menu_1", "--plan", "plan_1")]
    [InlineData("customer", "erase", "cus_1", "--yes")]
    [InlineData("dunning", "release", "inv_1")]
    [InlineData("dunning", "schedule", "--off")]
    [InlineData("parked", "replay", "--all")]
    [InlineData("shard", "resume", "3", "--reason", "")]
    [InlineData("key", "create", "--name", "dashboards", "--scope", "finance")]
    [InlineData("key", "revoke", "key_1")]
    [InlineData("audit", "rebuild", "--postgres", "Host=127.0.0.1;Port=9")]
    public async Task What_is_administrative_needs_a_reason_which_is_said_in_one_line(params string[] args)
    {
        var (exit, output, error) = await BillingProcess.Run("", args);
        Assert.Equal((CommandLine.WrongUsage, "", $"billing: say why, with --reason TEXT: it is kept for auditors (see billing {args[0]} {args[1]} --help)\n"), (exit, output, error));
    }

    /// <summary>What stands on a command line, everybody on the machine can read.</summary>
    [Theory]
    [InlineData("Billing__Postgres=", "--postgres", "audit", "rebuild", "--reason", "mended")]
    [InlineData("BILLING_WEBHOOK_SECRET=", "--secret", "webhook", "verify", "body", "--webhook-id", "1", "--webhook-timestamp", "1", "--webhook-signature", "v1,1")]
    public async Task A_secret_is_asked_for_in_the_environment_first(string variable, string option, params string[] args)
    {
        var (exit, _, error) = await BillingProcess.Run("", args);
        Assert.Equal(1, exit);
        Assert.InRange(error.IndexOf(variable, StringComparison.Ordinal), 0, error.IndexOf(option, StringComparison.Ordinal));
    }
}
