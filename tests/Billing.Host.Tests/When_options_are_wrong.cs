namespace Billing.Host.Tests;

/// <summary>The service as a process of its own, as a container runs it.</summary>
public sealed class When_options_are_wrong
{
    public static TheoryData<string[], string> WrongOptions => new()
    {
        { ["--Billing:Postgres=nonsense"], "Billing__Postgres must be a PostgreSQL connection string such as Host=localhost;Database=billing;Username=...;Password=..." },
        { ["--Billing:AuditPostgres=nonsense"], "Billing__AuditPostgres must be a PostgreSQL connection string such as Host=localhost;Database=billing;Username=...;Password=..." },
        { ["--Billing:GraceMinutes=soon"], "Failed to convert configuration value 'soon' at 'Billing:GraceMinutes' to type 'System.Int32'." },
        { ["--Billing:UsageAddress=http://usage:port"], "Billing__UsageAddress must be an http:// or https:// address such as http://usage:8081" },
        { ["--Billing:UsageAddress=http://usage:8081/path"], "Billing__UsageAddress must be an http:// or https:// address such as http://usage:8081" },
        { ["--Billing:Webhooks:AllowedNetworks=10.0.0.0/8,lab"], "Billing__Webhooks__AllowedNetworks must be networks in CIDR notation separated by commas, such as 10.1.0.0/16,fd00::/8" },
        { ["--Http:Port=http"], "Failed to convert configuration value 'http' at 'Http:Port' to type 'System.Int32'." },
        { ["--Access:Mode="], "Access__Mode must be said in Production: Keys lets in whoever has an API key, and Open everybody who reaches the ports" },
        { ["--Access:RefreshSeconds=0"], "Access__RefreshSeconds must be from 0.05 to 60" },
        { ["--RabbitMq:Uri=http://localhost"], "RabbitMq__Uri must be an amqp:// or amqps:// URI such as amqp://user:password@rabbitmq:5672/" },
    };

    [Theory, MemberData(nameof(WrongOptions))]
    public async Task One_stops_the_service_with_one_clear_line(string[] options, string line)
    {
        string[] good = ["--Http:Address=127.0.0.1", "--Http:Port=0", "--Http:GrpcPort=0", "--RabbitMq:Uri=amqp://127.0.0.1:1/", "--Access:Mode=Open", "--Billing:Postgres=Host=127.0.0.1;Port=1;Username=x;Password=x"];
        var (exit, output, error) = await DotnetProcess.RunAsync(typeof(BillingHost).Assembly.Location, new Dictionary<string, string?>(), "", [.. good, .. options]);
        Assert.Equal((1, "", $"cannot start: {line}\n"), (exit, output, error));
    }
}
