namespace Usage.Host.Tests;

/// <summary>The service as a process of its own, as a container runs it.</summary>
public sealed class When_options_are_wrong
{
    public static TheoryData<string[], string> WrongOptions => new()
    {
        { ["--Usage:Postgres=nonsense"], "Usage__Postgres must be a PostgreSQL connection string such as Host=localhost;Database=billing;Username=...;Password=..." },
        { ["--Usage:ChunkTokens=abc"], "Failed to convert configuration value 'abc' at 'Usage:ChunkTokens' to type 'System.Int32'." },
        { ["--Usage:MessageBytesMax=1"], "Usage__MessageBytesMax must be from 1024 to 268435456 bytes" },
        { ["--Usage:ReportIntervalMs=499"], "Usage__ReportIntervalMs must be at least 500 milliseconds in Production: billing takes two reports a second of a shard" },
        { ["--Usage:BillingAddress=http://billing:port"], "Usage__BillingAddress must be an http:// or https:// address such as http://billing:8081" },
        { ["--Usage:Cluster:Port=70000"], "Usage__Cluster__Port must be a port from 0 to 65535" },
        { ["--Http:Port=http"], "Failed to convert configuration value 'http' at 'Http:Port' to type 'System.Int32'." },
        { ["--Http:AllowedOrigins:0=https://account.example.com/"], "Http__AllowedOrigins__N must be an origin such as https://account.example.com: no path, no *, nothing after the port" },
        { ["--Access:Mode="], "Access__Mode must be said in Production: Keys lets in whoever has an API key, and Open everybody who reaches the ports" },
        { ["--Access:RefreshSeconds=0"], "Access__RefreshSeconds must be from 0.05 to 60" },
        { ["--RabbitMq:Uri=http://localhost"], "RabbitMq__Uri must be an amqp:// or amqps:// URI such as amqp://user:password@rabbitmq:5672/" },
    };

    [Theory, MemberData(nameof(WrongOptions))]
    public async Task One_stops_the_service_with_one_clear_line(string[] options, string line)
    {
        string[] good = ["--Http:Address=127.0.0.1", "--Http:Port=0", "--Http:GrpcPort=0", "--RabbitMq:Uri=amqp://127.0.0.1:1/", "--Access:Mode=Open", "--Usage:Postgres=Host=127.0.0.1;Port=1;Username=x;Password=x"];
        var (exit, output, error) = await DotnetProcess.RunAsync(typeof(UsageHost).Assembly.Location, new Dictionary<string, string?>(), "", [.. good, .. options]);
        Assert.Equal((1, "", $"cannot start: {line}\n"), (exit, output, error));
    }

    [Theory, InlineData("192.0.2.1"), InlineData("no-such-host.invalid")]
    public async Task An_address_for_the_others_that_is_not_this_machine_s_stops_it_with_one_clear_line(string address)
    {
        await using var service = await UsageService.PrepareAsync(settings: [("Usage:Cluster:Mode", "Postgres"), ("Usage:Cluster:Address", address)]);
        var (exit, _, error) = await service.RunApartAsync();
        Assert.Equal(1, exit);
        Assert.StartsWith($"cannot go on: Usage__Cluster__Address must be an address of this machine, or a name of it that it knows ({address}: ", Assert.Single(error.Split('\n', StringSplitOptions.RemoveEmptyEntries)), StringComparison.Ordinal);
    }
}
