using System.Diagnostics;
using System.Net;
using System.Security.Cryptography;
using Npgsql;

namespace LocalServers;

/// <summary>
/// The same two servers in containers, for a machine that has Docker and not the binaries. They end with their folder, as processes do, and
/// keep nothing. Images come from POSTGRES_IMAGE and RABBITMQ_IMAGE, the official ones by default; Docker fetches one that is not here.
/// </summary>
public static class ContainedServers
{
    private static readonly TimeSpan StartPatience = TimeSpan.FromMinutes(2);

    public static string PostgresImage => ImageOf("POSTGRES_IMAGE", "postgres:15");
    public static string RabbitMqImage => ImageOf("RABBITMQ_IMAGE", "rabbitmq:3.13");

    /// <summary>Whether a Docker engine answers on this machine.</summary>
    public static async Task<bool> CanRunAsync(CancellationToken cancel = default) =>
        Processes.Find("docker") is { } docker && (await Processes.RunAsync(docker, ["info"], "/", cancel)).Exit == 0;

    /// <exception cref="ServerUnavailableException">The image cannot be had, or the server in it did not start.</exception>
    public static async Task<PostgresCluster> StartPostgresAsync(ServerFolder folder, CancellationToken cancel = default)
    {
        var password = RandomNumberGenerator.GetHexString(32, lowercase: true);
        var address = await RunAsync(folder, "postgres", 5432, ["-e", $"POSTGRES_PASSWORD={password}", PostgresImage, "-c", "max_connections=200"], cancel);
        var cluster = new PostgresCluster(new NpgsqlConnectionStringBuilder
        {
            Host = $"{address.Address}", Port = address.Port, Database = "postgres", Username = "postgres", Password = password, Timeout = PostgresCluster.ConnectSeconds,
        }.ConnectionString);
        await UntilAsync("PostgreSQL", async () =>
        {
            try
            {
                await using var connection = new NpgsqlConnection(new NpgsqlConnectionStringBuilder(cluster.SuperuserConnectionString) { Pooling = false }.ConnectionString);
                await connection.OpenAsync(cancel);
                return true;
            }
            catch (Exception error) when (error is NpgsqlException or IOException or TimeoutException)
            {
                return false;
            }
        }, cancel);
        return cluster;
    }

    /// <summary>Its AMQP address, with a user of its own: guest may only come from the node's own machine.</summary>
    /// <exception cref="ServerUnavailableException">The image cannot be had, or the server in it did not start.</exception>
    public static async Task<Uri> StartRabbitMqAsync(ServerFolder folder, CancellationToken cancel = default)
    {
        var password = RandomNumberGenerator.GetHexString(32, lowercase: true);
        var address = await RunAsync(folder, "rabbitmq", 5672, ["-e", "RABBITMQ_DEFAULT_USER=billing", "-e", $"RABBITMQ_DEFAULT_PASS={password}", RabbitMqImage], cancel);
        await UntilAsync("RabbitMQ", () => AmqpListener.AnswersAsync(address.Address, address.Port, cancel), cancel);
        return new Uri($"amqp://billing:{password}@{address}/");
    }

    private static async Task<IPEndPoint> RunAsync(ServerFolder folder, string server, int port, IEnumerable<string> rest, CancellationToken cancel)
    {
        var name = $"billing-{Path.GetFileName(folder.Path)}-{server}";
        folder.RecordContainer(name);
        var (exit, output) = await Processes.RunAsync("docker", ["run", "--detach", "--rm", "--name", name, "--publish", $"127.0.0.1::{port}", .. rest], "/", cancel);
        if (exit != 0) throw new ServerUnavailableException($"docker could not run {server}: {Reason(output)}");
        var (_, published) = await Processes.RunAsync("docker", ["port", name, $"{port}/tcp"], "/", cancel);
        return IPEndPoint.TryParse(published.Split('\n')[0].Trim(), out var address) ? address : throw new ServerUnavailableException($"the container {name} ended at once; see its reason with: docker run {string.Join(' ', rest.Last())}");
    }

    // The last words are advice on options.
    private static string Reason(string output)
    {
        var lines = output.Trim().Split('\n');
        return lines.FirstOrDefault(line => line.StartsWith("docker: ", StringComparison.Ordinal))?["docker: ".Length..] ?? lines[^1];
    }

    private static async Task UntilAsync(string server, Func<Task<bool>> answers, CancellationToken cancel)
    {
        for (var since = Stopwatch.StartNew(); !await answers(); await Task.Delay(100, cancel))
            if (since.Elapsed > StartPatience) throw new ServerUnavailableException($"{server} in its container did not answer within {StartPatience.TotalMinutes:0} minutes; is the image one of {server}?");
    }

    private static string ImageOf(string variable, string official) => Environment.GetEnvironmentVariable(variable) is { Length: > 0 } image ? image : official;
}
