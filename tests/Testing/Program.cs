using System.Diagnostics;
using System.Runtime.InteropServices;
using LocalServers;
using Testing;

// Starts both servers once, runs the command with their addresses in its environment, and ends them: `dotnet run --project tests/Testing -- dotnet test`.
if (args is [])
{
    Console.Error.WriteLine("usage: dotnet run --project tests/Testing -- COMMAND [ARGUMENT...]   runs the command with a private PostgreSQL and RabbitMQ");
    return 2;
}
try
{
    await using var servers = await StartedServers.StartAsync(Console.Error.WriteLine);
    var (postgres, rabbitMq) = (servers.Postgres.Value, servers.RabbitMq.Value);
    await Task.WhenAll(postgres, rabbitMq);

    var start = new ProcessStartInfo(args[0], args[1..]);
    start.Environment[Servers.PostgresVariable] = (await postgres).ConnectionString;
    start.Environment[Servers.RabbitMqVariable] = (await rabbitMq).Uri.OriginalString;
    start.Environment[Servers.RabbitMqControlVariable] = (await rabbitMq).Control;

    using var command = Process.Start(start)!;
    // Ctrl-C reaches the command by the terminal; a polite kill reaches only us. Either way the command ends first, then the servers.
    using var interrupt = PosixSignalRegistration.Create(PosixSignal.SIGINT, signal => signal.Cancel = true);
    using var terminate = PosixSignalRegistration.Create(PosixSignal.SIGTERM, signal =>
    {
        signal.Cancel = true;
        command.Kill(entireProcessTree: true);
    });
    await command.WaitForExitAsync();
    return command.ExitCode;
}
catch (ServerUnavailableException error)
{
    Console.Error.WriteLine(error.Message);
    return 1;
}
catch (System.ComponentModel.Win32Exception error)
{
    Console.Error.WriteLine($"{args[0]}: {error.Message}");
    return 127;
}
