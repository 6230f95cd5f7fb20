using System.Diagnostics;
using DotNet.Testcontainers.Configurations;
using LocalServers;
using Microsoft.Extensions.Logging.Abstractions;
using Testcontainers.PostgreSql;
using Testcontainers.RabbitMq;

namespace Testing;

public sealed record PostgresAddress(string ConnectionString);

public sealed record RabbitMqAddress(Uri Uri, string Control);

/// <summary>Servers that this process starts, each when it is first asked for, and ends when it is disposed.</summary>
public sealed class StartedServers : IAsyncDisposable
{
    private const string Memory = "/dev/shm";
    private const long MemoryEnough = 4L << 30;

    private readonly List<IAsyncDisposable> _running = [];
    private readonly Lazy<Task<ServerFolder>> _folder, _databases;

    private StartedServers(string root, Images? images, Action<string> say)
    {
        _folder = new(() => KeepAsync(ServerFolder.CreateAsync(root, say)));
        _databases = new(() => KeepAsync(ServerFolder.CreateAsync(DatabaseRoot(root), say)));
        Postgres = new(() => images is null ? LocalPostgresAsync() : ContainedPostgresAsync(images.Postgres));
        RabbitMq = new(() => images is null ? LocalRabbitMqAsync() : ContainedRabbitMqAsync(images.RabbitMq));
    }

    public Lazy<Task<PostgresAddress>> Postgres { get; }
    public Lazy<Task<RabbitMqAddress>> RabbitMq { get; }

    /// <param name="say">Hears, in one line each, what the caller should know.</param>
    public static async Task<StartedServers> StartAsync(Action<string> say) =>
        new(Path.Combine(Path.GetTempPath(), $"billing-tests-{Environment.UserName}"), await Images.PresentAsync(), say);

    public async ValueTask DisposeAsync()
    {
        // The folders came first and go last.
        foreach (var server in Enumerable.Reverse(_running)) await server.DisposeAsync();
    }

    // In memory where there is plenty of it: nothing in them outlives the run, and a disk that is behind with its writing holds up every test at once.
    private static string DatabaseRoot(string onDisk) => Directory.Exists(Memory) && new DriveInfo(Memory).AvailableFreeSpace > MemoryEnough
        ? Path.Combine(Memory, Path.GetFileName(onDisk)) : onDisk;

    private async Task<T> KeepAsync<T>(Task<T> starting) where T : IAsyncDisposable
    {
        var server = await starting;
        lock (_running) _running.Add(server);
        return server;
    }

    private async Task<PostgresAddress> LocalPostgresAsync()
    {
        // Tests that kill a server start their own; for all others it is there for speed.
        var server = await KeepAsync(PrivatePostgres.StartAsync(await _databases.Value, flushes: false));
        return new PostgresAddress(server.Cluster.SuperuserConnectionString);
    }

    private async Task<RabbitMqAddress> LocalRabbitMqAsync()
    {
        var server = await KeepAsync(PrivateRabbitMq.StartAsync(await _folder.Value));
        return new RabbitMqAddress(server.Uri(), $"'{server.ControlScript}'");
    }

    private async Task<PostgresAddress> ContainedPostgresAsync(string image)
    {
        var container = new PostgreSqlBuilder(image).WithLogger(NullLogger.Instance).WithName(await NameContainerAsync("postgres"))
            .WithCommand("-c", "max_connections=200", "-c", "fsync=off", "-c", "full_page_writes=off").Build();
        await container.StartAsync();
        return new PostgresAddress(container.GetConnectionString());
    }

    private async Task<RabbitMqAddress> ContainedRabbitMqAsync(string image)
    {
        var container = new RabbitMqBuilder(image).WithLogger(NullLogger.Instance).WithName(await NameContainerAsync("rabbitmq")).Build();
        await container.StartAsync();
        return new RabbitMqAddress(new Uri(container.GetConnectionString()), $"docker exec {container.Id} rabbitmqctl");
    }

    // The folder ends containers as it ends processes, so the reaper, one more image to have, is not needed.
    private async Task<string> NameContainerAsync(string server)
    {
        var folder = await _folder.Value;
        var name = $"billing-{Path.GetFileName(folder.Path)}-{server}";
        folder.RecordContainer(name);
        return name;
    }

    /// <summary>Images that are on this machine already: a test run downloads nothing.</summary>
    private sealed record Images(string Postgres, string RabbitMq)
    {
        public static async Task<Images?> PresentAsync()
        {
            var images = new Images(ContainedServers.PostgresImage, ContainedServers.RabbitMqImage);
            if (!await PresentAsync(images.Postgres, images.RabbitMq)) return null;
            TestcontainersSettings.ResourceReaperEnabled = false;
            return images;
        }

        private static async Task<bool> PresentAsync(params string[] images)
        {
            try
            {
                using var docker = Process.Start(new ProcessStartInfo("docker", ["image", "inspect", .. images]) { RedirectStandardOutput = true, RedirectStandardError = true })!;
                await Task.WhenAll(docker.StandardOutput.ReadToEndAsync(), docker.StandardError.ReadToEndAsync(), docker.WaitForExitAsync());
                return docker.ExitCode == 0;
            }
            catch (System.ComponentModel.Win32Exception)
            {
                return false; // There is no docker command.
            }
        }
    }
}
