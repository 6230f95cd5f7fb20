using System.Diagnostics;
using System.Net;
using System.Text;

namespace LocalServers;

/// <summary>
/// A RabbitMQ node of our own from installed binaries: its own name, cookie, data, listener and port mapper, all on loopback, no plugins.
/// Its user is guest with password guest, who may only come from this machine.
/// </summary>
public sealed class PrivateRabbitMq : IAsyncDisposable
{
    private const int StartAttemptsMax = 3;
    private static readonly TimeSpan StartPatience = TimeSpan.FromSeconds(90), StopPatience = TimeSpan.FromSeconds(20);

    private readonly ServerFolder _folder;
    private readonly string _server, _control, _portMapper, _home;
    private int _distributionPort, _portMapperPort;
    private Process? _node, _mapper;

    private PrivateRabbitMq(ServerFolder folder)
    {
        (_folder, _home) = (folder, Path.Combine(folder.Path, "rabbitmq"));
        // The scripts behind the packages' wrappers: those would change the user, and the folder is ours.
        _server = FindScript("rabbitmq-server");
        _control = FindScript("rabbitmqctl");
        _portMapper = Processes.Find("epmd", "/opt/homebrew/bin", "/usr/local/bin", "/usr/lib/erlang/bin") ?? throw ServerUnavailableException.Missing("Erlang's epmd", "erlang-base", "erlang");
    }

    /// <summary>Whether this machine has the binaries.</summary>
    public static bool IsInstalled => ScriptOf("rabbitmq-server") is not null;

    public int Port { get; private set; }

    /// <summary>AMQP address of a virtual host; "/" is the one that always exists.</summary>
    public Uri Uri(string virtualHost = "/") => new($"amqp://guest:guest@127.0.0.1:{Port}/{System.Uri.EscapeDataString(virtualHost)}");

    /// <summary>A script that is rabbitmqctl for this node, whoever calls it.</summary>
    public string ControlScript => Path.Combine(_home, "rabbitmqctl");

    /// <summary>Starts a node. It accepts AMQP when this returns.</summary>
    public static async Task<PrivateRabbitMq> StartAsync(ServerFolder folder, CancellationToken cancel = default)
    {
        var server = new PrivateRabbitMq(folder);
        Directory.CreateDirectory(server._home);
        for (var attempt = 1; !await server.TryStartOnNewPortsAsync(cancel); attempt++)
            if (attempt == StartAttemptsMax) throw server.DidNotStart();
        return server;
    }

    public Task CreateVirtualHostsAsync(IEnumerable<string> names, CancellationToken cancel = default) => VirtualHosts.CreateAsync($"'{ControlScript}'", names, cancel: cancel);

    /// <summary>Ends the node at once, as a crash would. The data stays.</summary>
    public void Kill()
    {
        if (_node is not { HasExited: false } node) return;
        Processes.Signal(node.Id, Processes.SigKill);
        node.WaitForExit();
    }

    /// <summary>Stops the node, if it still runs, and starts it on the same data and at the same address.</summary>
    public async Task RestartAsync(CancellationToken cancel = default)
    {
        if (_node is { HasExited: false } node)
        {
            Processes.Signal(node.Id, Processes.SigTerm);
            if (!await Processes.GoneAsync(node.Id, StopPatience, cancel)) Kill();
        }
        for (var attempt = 1; !await TryStartNodeAsync(cancel); attempt++)
            if (attempt == StartAttemptsMax) throw DidNotStart();
    }

    public async ValueTask DisposeAsync()
    {
        Kill();
        if (_mapper is { HasExited: false })
        {
            Processes.Signal(_mapper.Id, Processes.SigKill);
            await _mapper.WaitForExitAsync();
        }
        _node?.Dispose();
        _mapper?.Dispose();
        if (Directory.Exists(_home)) Directory.Delete(_home, recursive: true);
    }

    private string Log => Path.Combine(_home, "log");

    private async Task<bool> TryStartOnNewPortsAsync(CancellationToken cancel)
    {
        if (Ports.Free(2) is not [var amqp, var mapper]) throw new UnreachableException();
        (Port, _portMapperPort) = (amqp, mapper);
        if (_mapper is { HasExited: false }) Processes.Signal(_mapper.Id, Processes.SigKill);
        _mapper = Processes.StartApart([_portMapper, "-port", $"{mapper}", "-address", "127.0.0.1"], _home, Log);
        _folder.Record(_mapper.Id);
        return await TryStartNodeAsync(cancel);
    }

    private async Task<bool> TryStartNodeAsync(CancellationToken cancel)
    {
        // Nobody but the port mapper and our own control script knows this port: while the node was down another process may have taken the last one.
        _distributionPort = Ports.Free(1)[0];
        await WriteConfigurationAsync(cancel);
        _node?.Dispose();
        _node = Processes.StartApart([_server], _home, Log, Environment());
        _folder.Record(_node.Id);
        for (var since = Stopwatch.StartNew(); since.Elapsed < StartPatience; await Task.Delay(25, cancel))
        {
            if (_node.HasExited) return false;
            if (await AmqpListener.AnswersAsync(IPAddress.Loopback, Port, cancel)) return !_node.HasExited;
        }
        Kill();
        return false;
    }

    private async Task WriteConfigurationAsync(CancellationToken cancel)
    {
        await File.WriteAllTextAsync(Path.Combine(_home, "rabbitmq.conf"), "log.console = false\nlog.file.level = warning\n", cancel);
        await File.WriteAllTextAsync(Path.Combine(_home, "enabled_plugins"), "[].\n", cancel);
        var script = new StringBuilder("#!/bin/sh\n");
        foreach (var (name, value) in Environment()) script.Append($"export {name}='{value.Replace("'", "'\\''", StringComparison.Ordinal)}'\n");
        script.Append($"exec '{_control}' \"$@\"\n");
        await File.WriteAllTextAsync(ControlScript, script.ToString(), cancel);
        Processes.SetMode(ControlScript, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
    }

    private Dictionary<string, string> Environment() => new()
    {
        ["HOME"] = _home,
        ["ERL_EPMD_PORT"] = $"{_portMapperPort}",
        ["ERL_EPMD_ADDRESS"] = "127.0.0.1",
        ["RABBITMQ_NODENAME"] = "billing@localhost",
        ["RABBITMQ_NODE_IP_ADDRESS"] = "127.0.0.1",
        ["RABBITMQ_NODE_PORT"] = $"{Port}",
        ["RABBITMQ_DIST_PORT"] = $"{_distributionPort}",
        ["RABBITMQ_MNESIA_BASE"] = Path.Combine(_home, "data"),
        ["RABBITMQ_LOG_BASE"] = Path.Combine(_home, "logs"),
        ["RABBITMQ_PID_FILE"] = Path.Combine(_home, "pid"),
        ["RABBITMQ_CONFIG_FILE"] = Path.Combine(_home, "rabbitmq.conf"),
        ["RABBITMQ_ADVANCED_CONFIG_FILE"] = Path.Combine(_home, "advanced.config"),
        ["RABBITMQ_GENERATED_CONFIG_DIR"] = Path.Combine(_home, "generated"),
        ["RABBITMQ_SCHEMA_DIR"] = Path.Combine(_home, "schema"),
        ["RABBITMQ_ENABLED_PLUGINS_FILE"] = Path.Combine(_home, "enabled_plugins"),
        // The machine's own settings of a node are not ours.
        ["RABBITMQ_CONF_ENV_FILE"] = "/dev/null",
        // Then the script becomes the node instead of watching over it: one process, whose id we hold.
        ["RABBITMQ_ALLOW_INPUT"] = "1",
        // RabbitMQ has Erlang's threads sleep as soon as they have nothing to do. A start looks for each of a thousand modules in eighty folders, and between any two looks one of them
        // has to be woken, which costs most on a virtual machine. With a moment of patience, less than Erlang's own default, it takes two thirds of the processor time and less than half as long.
        ["RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS"] = "-noinput +sbwt very_short +sbwtdio very_short -kernel inet_dist_use_interface {127,0,0,1}",
    };

    private ServerUnavailableException DidNotStart()
    {
        string[] lines = File.Exists(Log) ? [.. File.ReadAllLines(Log).Where(line => line.Length > 0)] : [];
        // The reason stands in the lines below the words, which are underlined; some failures come too early for them.
        var failed = Array.LastIndexOf(lines, "BOOT FAILED");
        var words = failed >= 0 ? string.Join(' ', lines.Skip(failed + 2).Take(2).Select(line => line.Trim())) : lines.LastOrDefault(line => line.Contains("error", StringComparison.OrdinalIgnoreCase));
        return new ServerUnavailableException($"the private RabbitMQ in {_home} did not start: {words ?? "it said nothing"}");
    }

    private static string FindScript(string name) => ScriptOf(name) ?? throw ServerUnavailableException.Missing("RabbitMQ", "rabbitmq-server", "rabbitmq");

    private static string? ScriptOf(string name)
    {
        string[] folders = ["/usr/lib/rabbitmq/bin", "/opt/homebrew/opt/rabbitmq/sbin", "/usr/local/opt/rabbitmq/sbin", "/usr/local/sbin"];
        return folders.Select(folder => Path.Combine(folder, name)).FirstOrDefault(Processes.IsThere) ?? Processes.Find(name);
    }
}
