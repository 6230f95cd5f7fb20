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
        var python = await PythonAsync();
        var code = Directory.CreateTempSubdirectory("python-runtime-");
        try
        {
            var here = AppContext.BaseDirectory;
            await RunAsync(python, code.FullName, "-m", "grpc_tools.protoc", $"-I{here}", $"--python_out={code.FullName}", $"--grpc_python_out={code.FullName}", "usage.proto");
            var generation = GenerationId.Derive(Samples.Jan1, "python");
            var said = await RunAsync(python, code.FullName, Path.Combine(here, "python_runtime.py"), shared.Address.Authority, Samples.SubscriptionId("grace"), generation, "5000");

            var heard = JsonDocument.Parse(said).RootElement;
            Assert.Equal((1_000, 2), (heard.GetProperty("generated").GetInt32(), heard.GetProperty("streams").GetInt32()));
            Assert.Equal((1_000, 0, 0), await shared.RecordedAsync("python"));
            Assert.Equal(1, await shared.Service.ScalarAsync<long>($"select count(*) from usage.generation where generation = '{generation[4..]}' and finish = 3"));
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
                await RunAsync(python, ".", "-c", "import grpc, grpc_tools.protoc");
                return python;
            }
            catch (Exception e) when (e is InvalidOperationException or System.ComponentModel.Win32Exception)
            {
                // The next one may.
            }
        throw new InvalidOperationException("no Python has grpcio: install it with: apt-get install -y python3-grpcio python3-grpc-tools (or: pip install grpcio grpcio-tools)");
    }

    private static async Task<string> RunAsync(string program, string modules, params string[] arguments)
    {
        var start = new ProcessStartInfo(program, arguments) { RedirectStandardOutput = true, RedirectStandardError = true };
        (start.Environment["PYTHONPATH"], start.Environment["PYTHONDONTWRITEBYTECODE"]) = (modules, "1");
        using var process = Process.Start(start)!;
        var (output, error) = (process.StandardOutput.ReadToEndAsync(), process.StandardError.ReadToEndAsync());
        try
        {
            await process.WaitForExitAsync().WaitAsync(TimeSpan.FromSeconds(60));
        }
        catch (TimeoutException)
        {
            process.Kill(entireProcessTree: true);
            throw;
        }
        return process.ExitCode == 0 ? await output : throw new InvalidOperationException($"{program} {arguments[0]} ended with {process.ExitCode}: {await error}");
    }
}
