using System.Diagnostics;
using System.Net;
using System.Net.Sockets;
using Hosting;
using LocalServers;

namespace PlanDesign.Host.Tests;

/// <summary>The service as a process of its own, as a container runs it.</summary>
public sealed class StartTests
{
    private const string Nobody = "--PlanDesign:Postgres=Host=127.0.0.1;Port=1;Username=plan_design;Password=x";

    private static readonly string Dll = typeof(PlanDesignHost).Assembly.Location;
    private static readonly Dictionary<string, string?> Environment = [];

    private static string[] Arguments(string[] args) => ["--Http:Address=127.0.0.1", "--RabbitMq:Uri=amqp://127.0.0.1:1/", "--Access:Mode=Open", .. args];

    private static Process Start(params string[] args) => DotnetProcess.Start(Dll, Environment, Arguments(args));

    private static Task<(int Exit, string Output, string Error)> Run(params string[] args) => DotnetProcess.RunAsync(Dll, Environment, "", Arguments(args));

    public static TheoryData<string[], string> WrongOptions => new()
    {
        { [], "PlanDesign__Postgres must be a PostgreSQL connection string such as Host=localhost;Database=billing;Username=...;Password=..." },
        { ["--PlanDesign:Postgres=nonsense"], "PlanDesign__Postgres must be a PostgreSQL connection string such as Host=localhost;Database=billing;Username=...;Password=..." },
        { [Nobody, "--Http:Port=http"], "Failed to convert configuration value 'http' at 'Http:Port' to type 'System.Int32'." },
        { [Nobody, "--Http:GrpcPort=70000"], "Http__GrpcPort must be a port from 0 to 65535" },
        { [Nobody, "--Http:Address=localhost"], "Http__Address must be an IP address such as 127.0.0.1 or 0.0.0.0" },
        { [Nobody, "--RabbitMq:Uri=http://localhost"], "RabbitMq__Uri must be an amqp:// or amqps:// URI such as amqp://user:password@rabbitmq:5672/" },
        { [Nobody, "--Clock:Mode=Fast"], "Clock__Mode must be Real or Simulated" },
        { [Nobody, "--Clock:Start=yesterday"], "Clock__Start must be a UTC time such as 2026-01-01T00:00:00Z" },
        { [Nobody, "--Clock:Mode=Simulated", "--environment=Production"], "Clock__Mode=Simulated is refused in Production: set ASPNETCORE_ENVIRONMENT to something else, such as Demo" },
        { [Nobody, "--Access:Mode="], "Access__Mode must be said in Production: Keys lets in whoever has an API key, and Open everybody who reaches the ports" },
        { [Nobody, "--Access:Mode=Locked"], "Access__Mode must be Keys or Open" },
        { [Nobody, "--Access:Keys:0=operator:root:00"], "Access__Keys__0 must be NAME:SCOPE[+SCOPE]:SHA256[:CUSTOMER], such as operator:admin: and the 64 hex digits of the key's SHA-256; 'root' is not a scope: expected one or more of runtime, analyst, finance, payments, auditor, customer, service, admin" },
        { [Nobody, "--Calls:Key=secret"], "Calls__Key must be a whole API key: bk_live_ and its 64 hex digits" },
        { [Nobody, "--Calls:Authority=/nothing.pem"], "Calls__Authority must name a PEM file with at least one certificate" },
        { [Nobody, "--PlanDesign:UsageAddress=http://usage:port"], "PlanDesign__UsageAddress must be an http:// or https:// address such as http://usage:8081" },
        { [Nobody, "--PlanDesign:BillingAddress=http://"], "PlanDesign__BillingAddress must be an http:// or https:// address such as http://billing:8081" },
        { [Nobody, "--Http:Certificate=/nothing.pem", "--Http:CertificateKey=/nothing.key"], "Http__Certificate must be a PEM file, with its key in Http__CertificateKey, or a PFX file with its key: Could not find file '/nothing.pem'." },
        { [Nobody, "--Logging:Minimum=Loud"], "Logging__Minimum must be Verbose, Debug, Information, Warning, Error or Fatal" },
        { [Nobody, "--PlanDesign:CellsMax=0", "--PlanDesign:TypesMax=0"], "PlanDesign__TypesMax must be from 1 to 10000; PlanDesign__CellsMax must be from 1 to 100000000000" },
    };

    [Theory, MemberData(nameof(WrongOptions))]
    public async Task A_wrong_option_stops_the_service_with_one_clear_line(string[] args, string line)
    {
        var (exit, output, error) = await Run(args);
        Assert.Equal((1, "", $"cannot start: {line}\n"), (exit, output, error));
    }

    [Fact]
    public async Task A_taken_port_stops_the_service_with_a_clear_line()
    {
        using var taken = new TcpListener(IPAddress.Loopback, 0);
        taken.Start();
        var port = ((IPEndPoint)taken.LocalEndpoint).Port;
        var (exit, _, error) = await Run(Nobody, "--Http:Port=0", $"--Http:GrpcPort={port}");
        Assert.Equal(1, exit);
        Assert.Contains($"cannot start: Failed to bind to address http://127.0.0.1:{port}: address already in use: set Http__Port and Http__GrpcPort to free ports\n", error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Without_database_and_broker_it_runs_is_not_healthy_and_ends_when_told()
    {
        var ports = Ports.Free(2);
        using var service = Start(Nobody, $"--Http:Port={ports[0]}", $"--Http:GrpcPort={ports[1]}");
        var (output, error) = (service.StandardOutput.ReadToEndAsync(), service.StandardError.ReadToEndAsync());
        using var http = new HttpClient { BaseAddress = new Uri($"http://127.0.0.1:{ports[0]}") };
        await Eventually.True(async () => await http.GetStringAsync("/health/live") == "live\n", "the service lives");

        await Eventually.True(async () => (await Run("--health", $"--Http:Port={ports[0]}")) is (1, var said, _) && said.Contains("Failed to connect", StringComparison.Ordinal), "its health check says why it is not ready");

        using var kill = Process.Start("kill", ["-TERM", $"{service.Id}"]);
        await service.WaitForExitAsync();
        Assert.Equal((0, ""), (service.ExitCode, await output));
        Assert.DoesNotContain("Unhandled", await error, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("--Http:Port=http", "cannot ask: Failed to convert configuration value 'http' at 'Http:Port' to type 'System.Int32'.\n")]
    [InlineData("--Http:Port=70000", "cannot ask: Http__Address must be an IP address, and Http__Port a port from 0 to 65535\n")]
    [InlineData("--Http:Address=localhost", "cannot ask: Http__Address must be an IP address, and Http__Port a port from 0 to 65535\n")]
    public async Task A_health_check_that_cannot_be_made_says_so_in_one_line(string option, string line)
    {
        var (exit, output, error) = await Run("--health", option);
        Assert.Equal((1, "", line), (exit, output, error));
    }

    [Fact]
    public async Task The_health_check_finds_a_service_on_IPv6()
    {
        var port = Ports.Free(1)[0];
        var (exit, _, error) = await Run("--health", "--Http:Address=::1", $"--Http:Port={port}");
        Assert.Equal(1, exit);
        Assert.StartsWith($"no answer from [::1]:{port}: ", error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Every_method_says_whose_key_it_needs()
    {
        await using var app = PlanDesignHost.Build(["--environment=Test", .. Arguments([Nobody])]);
        Assert.Empty(app.WithoutScope());
    }

    [Fact]
    public async Task The_health_check_of_a_service_that_does_not_run_says_so()
    {
        var port = Ports.Free(1)[0];
        var (exit, _, error) = await Run("--health", $"--Http:Port={port}");
        Assert.Equal(1, exit);
        Assert.StartsWith($"no answer from 127.0.0.1:{port}: ", error, StringComparison.Ordinal);
    }
}
