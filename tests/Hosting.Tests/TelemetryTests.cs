using System.Collections.Concurrent;
using System.Diagnostics;
using System.Text.Json;
using Contracts.Messages;
using Contracts.PlanDesign.V1;
using Grpc.Core;
using MassTransit;
using Microsoft.Extensions.DependencyInjection;
using OpenTelemetry;
using OpenTelemetry.Trace;

namespace Hosting.Tests;

/// <summary>Traces as a collector would get them, where one is configured.</summary>
public sealed class TelemetryTests : IAsyncLifetime
{
    private sealed class Collector : BaseExporter<Activity>
    {
        public ConcurrentQueue<Activity> Spans { get; } = new();

        public override ExportResult Export(in OpenTelemetry.Batch<Activity> batch)
        {
            foreach (var span in batch) Spans.Enqueue(span);
            return ExportResult.Success;
        }
    }

    private readonly Collector _collector = new();
    private readonly string _log = Path.Combine(Path.GetTempPath(), $"telemetry-{Environment.ProcessId}-{Path.GetRandomFileName()}.log");
    private TestHost _host = null!;

    public async Task InitializeAsync()
    {
        _host = await TestHost.StartAsync((await Servers.CreateDatabaseAsync()).ConnectionString("billing"), (await Servers.CreateVirtualHostAsync()).ToString(),
            // Nobody listens there: what is exported is looked at here.
            new() { ["OTEL_EXPORTER_OTLP_ENDPOINT"] = "http://127.0.0.1:1", ["Logging:File"] = _log },
            services: s => s.ConfigureOpenTelemetryTracerProvider(t => t.AddProcessor(new SimpleActivityExportProcessor(_collector))));
        await _host.IsReadyAsync();
    }

    public async Task DisposeAsync()
    {
        await _host.DisposeAsync();
        _collector.Dispose();
        File.Delete(_log);
    }

    /// <summary>What the caller does, in a trace of its own.</summary>
    private static Activity Begin(string what) => new Activity(what) { ActivityTraceFlags = ActivityTraceFlags.Recorded }.SetIdFormat(ActivityIdFormat.W3C).Start();

    private async Task<Activity> Span(ActivityTraceId trace, string source, ActivityKind kind) => await Eventually.Some(
        () => Task.FromResult(_collector.Spans.FirstOrDefault(s => s.TraceId == trace && s.Source.Name == source && s.Kind == kind)), $"{source} has told of a {kind} span");

    [Fact]
    public async Task A_trace_crosses_from_the_caller_over_gRPC_to_the_service_and_its_database()
    {
        using var caller = Begin("caller");
        await _host.Jars.RetireMenuAsync(new RetireMenuRequest { MenuId = "traced", Reason = "a" });
        caller.Stop();

        var (sent, served) = (await Span(caller.TraceId, "System.Net.Http", ActivityKind.Client), await Span(caller.TraceId, "Microsoft.AspNetCore", ActivityKind.Server));
        Assert.Equal(sent.SpanId, served.ParentSpanId);
        Assert.Equal(caller.TraceId, (await Span(caller.TraceId, "Npgsql", ActivityKind.Client)).TraceId);
        Assert.Contains(_collector.Spans, s => s.TraceId == caller.TraceId && s.Source.Name == "Grpc.Net.Client");
    }

    [Fact]
    public async Task A_trace_crosses_from_the_publisher_over_RabbitMQ_to_the_consumer()
    {
        var heard = new TaskCompletionSource<ActivityTraceId>(TaskCreationOptions.RunContinuationsAsynchronously);
        var bus = _host.Get<IBusControl>();
        var endpoint = bus.ConnectReceiveEndpoint("traced", e => e.Handler<InvoiceVoided>(_ =>
        {
            heard.TrySetResult(Activity.Current?.TraceId ?? default);
            return Task.CompletedTask;
        }));
        await endpoint.Ready;

        using var caller = Begin("publisher");
        var at = new DateTimeOffset(2026, 1, 1, 0, 0, 0, TimeSpan.Zero);
        await bus.PublishConfirmed(Sample(at), Ids.NewGuid(at), mandatory: true, CancellationToken.None);
        caller.Stop();

        Assert.Equal(caller.TraceId, await heard.Task.WaitAsync(TimeSpan.FromSeconds(60)));
        await Span(caller.TraceId, "MassTransit", ActivityKind.Producer);
        await Span(caller.TraceId, "MassTransit", ActivityKind.Consumer);
        await endpoint.StopAsync();
    }

    [Fact]
    public async Task What_is_logged_is_one_JSON_object_a_line_with_the_callers_trace()
    {
        using var caller = Begin("caller");
        await Assert.ThrowsAsync<RpcException>(async () => await _host.Jars.RetireMenuAsync(new RetireMenuRequest { MenuId = "broken", Reason = "a" }));
        caller.Stop();

        await Eventually.True(() => Lines().Any(l => l.GetProperty("@tr").GetString() == caller.TraceId.ToString()), "the failure is logged with its trace");
        var line = Lines().First(l => l.GetProperty("@tr").GetString() == caller.TraceId.ToString());
        Assert.Equal(("Error", "jars"), (line.GetProperty("@l").GetString(), line.GetProperty("Service").GetString()));
        Assert.Contains("plan_design.v1.PlanDesign/RetireMenu\" failed", line.GetProperty("@m").GetString(), StringComparison.Ordinal);
        Assert.Equal(16, line.GetProperty("@sp").GetString()!.Length);
    }

    /// <summary>A stream that is still answered when its caller is gone: nothing is wrong with the service.</summary>
    [Fact]
    public async Task A_caller_who_hangs_up_is_no_error()
    {
        using (var call = _host.Jars.SolveMenu(new SolveMenuRequest()))
            Assert.True(await call.ResponseStream.MoveNext(CancellationToken.None));
        await Eventually.True(() => JarService.WroteToNobody, "the stream was written to after its caller hung up");
        using var caller = Begin("caller");
        await Assert.ThrowsAsync<RpcException>(async () => await _host.Jars.RetireMenuAsync(new RetireMenuRequest { MenuId = "broken", Reason = "a" }));
        caller.Stop();
        await Eventually.True(() => Lines().Any(l => l.GetProperty("@tr").GetString() == caller.TraceId.ToString()), "what came after it is logged");
        Assert.DoesNotContain(Lines(), l => l.GetProperty("@m").GetString()!.Contains("SolveMenu", StringComparison.Ordinal));
    }

    private List<JsonElement> Lines()
    {
        using var reader = new StreamReader(new FileStream(_log, FileMode.OpenOrCreate, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete));
        return [.. reader.ReadToEnd().Split('\n', StringSplitOptions.RemoveEmptyEntries).Select(l => JsonDocument.Parse(l).RootElement).Where(l => l.TryGetProperty("@tr", out _))];
    }

    private static InvoiceVoided Sample(DateTimeOffset at) => new(Ids.Derive(Ids.Invoice, at, "i"), "INV-000001", Ids.Derive(Ids.Customer, at, "c"), "test", at);
}
