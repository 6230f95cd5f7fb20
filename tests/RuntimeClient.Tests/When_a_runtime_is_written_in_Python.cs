using System.Diagnostics;
using System.Text.Json;
using Usage.Host.Tests;

namespace RuntimeClient.Tests;

/// <summary>The protocol needs no library of ours: grpcio and the proto are enough.</summary>
[Collection(OneService.Name)]
public sealed class When_a_runtime_is_written_in_Python(SharedService shared)
{
    [Fact]
    public async Task U1_U3_it_generates_up_to_the_cap_over_a_broken_stream_and_all_of_it_is_counted_once()
    {
        await shared.Service.SubscribeAsync(Samples.Snapshot("grace", Samples.Hard("conversation", 1_000)));
        var heard = await MeterAsync(shared.Address, "grace", "python", 5_000, ("BREAK_AFTER", "250"));
        Assert.Equal((1_000, 2), (heard.Generated, heard.Streams));
        Assert.Equal((1_000, 0, 0), await shared.RecordedAsync("python"));
        Assert.Equal(3, await shared.FinishOfAsync("python"));
    }

    [Fact]
    public async Task U3_it_goes_on_when_its_meter_is_killed_and_when_it_is_drained_and_all_of_it_is_counted_once()
    {
        await using var service = await UsageService.PrepareAsync();
        var (process, address) = service.Apart();
        await using var _ = process;
        await service.ListenAsync();
        await process.StartAsync();
        await service.SubscribeAsync(Samples.Snapshot("heidi"));
        // Every 32 tokens take it a while, so that each end comes in the middle.
        var metering = MeterAsync(address, "heidi", "python again", 4_000, ("PACE", "0.03"));
        await GeneratesAsync();
        await process.KillAsync();
        await service.StartHostAsync();
        await GeneratesAsync();
        await service.StopHostAsync();
        await service.StartHostAsync();

        var heard = await metering;
        Assert.Equal(4_000, heard.Generated);
        Assert.True(heard.Streams >= 3, $"{heard.Streams} streams");
        Assert.Equal((4_000, 0L), (await RecordedAsync(), await service.ScalarAsync<long>("select sum(overrun) from usage.token_event")));
        Assert.Equal(1, await service.ScalarAsync<long>("select count(*) from usage.generation where finish = 1"));

        async Task GeneratesAsync()
        {
            var before = await RecordedAsync();
            await Eventually.True(async () => metering.IsFaulted ? throw metering.Exception! : await RecordedAsync() > before + 500, "it is generating");
        }

        Task<long> RecordedAsync() => service.ScalarAsync<long>("select coalesce(sum(output), 0) from usage.token_event");
    }

    private static async Task<(int Generated, int Streams)> MeterAsync(Uri address, string subscription, string generation, int wanted, params (string Name, string Value)[] environment)
    {
        var python = await PythonAsync();
        var code = Directory.CreateTempSubdirectory("python-runtime-");
        try
        {
            var here = AppContext.BaseDirectory;
            await RunAsync(python, code.FullName, [], "-m", "grpc_tools.protoc", $"-I{here}", $"--python_out={code.FullName}", $"--grpc_python_out={code.FullName}", "usage.proto");
            var said = JsonDocument.Parse(await RunAsync(python, code.FullName, environment, Path.Combine(here, "python_runtime.py"),
                address.Authority, Samples.SubscriptionId(subscription), GenerationId.Derive(Samples.Jan1, generation), $"{wanted}")).RootElement;
            return (said.GetProperty("generated").GetInt32(), said.GetProperty("streams").GetInt32());
        }
        finally
        {
            code.Delete(recursive: true);
        }
    }

    /// <summary>The first that has what is needed: the system's own may be hidden by another one that has not.</summary>
    private static async Task<string> PythonAsync()
    {
        foreach (var python in new[] { "python3", "/usr/bin/python3" })
            try
            {
                await RunAsync(python, ".", [], "-c", "import grpc, grpc_tools.protoc");
                return python;
            }
            catch (Exception e) when (e is InvalidOperationException or System.ComponentModel.Win32Exception)
            {
                // The next one may.
            }
        throw new InvalidOperationException("no Python has grpcio: install it with: apt-get install -y python3-grpcio python3-grpc-tools (or: pip install grpcio grpcio-tools)");
    }

    private static async Task<string> RunAsync(string program, string modules, (string Name, string Value)[] environment, params string[] arguments)
    {
        var start = new ProcessStartInfo(program, arguments) { RedirectStandardOutput = true, RedirectStandardError = true };
        (start.Environment["PYTHONPATH"], start.Environment["PYTHONDONTWRITEBYTECODE"]) = (modules, "1");
        foreach (var (name, value) in environment) start.Environment[name] = value;
        using var process = Process.Start(start)!;
        var (output, error) = (process.StandardOutput.ReadToEndAsync(), process.StandardError.ReadToEndAsync());
        try
        {
            await process.WaitForExitAsync().WaitAsync(TimeSpan.FromSeconds(120));
        }
        catch (TimeoutException)
        {
            process.Kill(entireProcessTree: true);
            throw;
        }
        return process.ExitCode == 0 ? await output : throw new InvalidOperationException($"{program} {arguments[0]} ended with {process.ExitCode}: {await error}");
    }
}
