using Contracts.Usage.V1;
using Grpc.Core;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;

namespace RuntimeClient.Tests;

/// <summary>
/// A line between a runtime and its meter on which anything may be lost: frames in either direction vanish or come twice, and now and then
/// it breaks. The meter behind it is the real one, and may be another one after each break.
/// </summary>
public sealed class LossyMeter : IAsyncDisposable
{
    private readonly WebApplication _app;

    private LossyMeter(WebApplication app) => _app = app;

    public Uri Address => new(_app.Urls.Single());

    public Tally Lost => _app.Services.GetRequiredService<Tally>();

    /// <param name="lossShare">of frames; half as many come twice, and the tenth message and one in a hundred break the line</param>
    public static async Task<LossyMeter> StartAsync(Func<TokenMeter.TokenMeterClient> meter, double lossShare, int seed = 1)
    {
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.WebHost.ConfigureKestrel(kestrel => kestrel.Listen(System.Net.IPAddress.Loopback, 0, listen => listen.Protocols = HttpProtocols.Http2));
        builder.Services.AddGrpc();
        builder.Services.AddSingleton(new Tally()).AddSingleton(meter).AddSingleton(new Chance(seed, lossShare));
        var app = builder.Build();
        app.MapGrpcService<Line>();
        await app.StartAsync();
        return new LossyMeter(app);
    }

    public async ValueTask DisposeAsync()
    {
        using var now = new CancellationTokenSource(TimeSpan.Zero);
        await _app.StopAsync(now.Token);
        await _app.DisposeAsync();
    }

    public sealed class Tally
    {
        public int Frames, Breaks;
    }

    /// <summary>One seed for the whole line, so that a run can be had again as far as threads allow.</summary>
    private sealed class Chance(int seed, double lossShare)
    {
        // Chance alone would now and then break nothing: on a busy machine messages are few, and large.
        private const int BreaksForCertain = 10;
        private readonly Random _random = new(seed);
        private int _messages;

        public bool BreaksNow => lossShare > 0 && (Interlocked.Increment(ref _messages) == BreaksForCertain || Roll() < 0.01);

        /// <summary>0, 1 or 2 times.</summary>
        public int Times => lossShare == 0 ? 1 : Roll() switch { var r when r < lossShare => 0, var r when r < lossShare * 1.5 => 2, _ => 1 };

        private double Roll()
        {
            lock (_random) return _random.NextDouble();
        }
    }

    private sealed class Line(Func<TokenMeter.TokenMeterClient> meter, Chance chance, Tally tally) : TokenMeter.TokenMeterBase
    {
        public override async Task Meter(IAsyncStreamReader<MeterRequest> requestStream, IServerStreamWriter<MeterResponse> responseStream, ServerCallContext context)
        {
            using var broken = CancellationTokenSource.CreateLinkedTokenSource(context.CancellationToken);
            try
            {
                using var call = meter().Meter(cancellationToken: broken.Token);
                var there = PassAsync(requestStream, m => m.Frames, frames => call.RequestStream.WriteAsync(new() { Frames = { frames } }, broken.Token), broken.Token);
                var back = PassAsync(call.ResponseStream, m => m.Frames, frames => responseStream.WriteAsync(new() { Frames = { frames } }, broken.Token), broken.Token);
                await await Task.WhenAny(there, back);
            }
            catch (Exception e) when (e is not RpcException)
            {
                throw new RpcException(new(StatusCode.Unavailable, "the line broke"));
            }
            finally
            {
                await broken.CancelAsync();
            }
        }

        private async Task PassAsync<TMessage, TFrame>(IAsyncStreamReader<TMessage> from, Func<TMessage, IEnumerable<TFrame>> frames, Func<IEnumerable<TFrame>, Task> to, CancellationToken ct)
        {
            while (await from.MoveNext(ct))
            {
                var passed = new List<TFrame>();
                foreach (var frame in frames(from.Current))
                {
                    var times = chance.Times;
                    if (times == 0) Interlocked.Increment(ref tally.Frames);
                    for (; times > 0; times--) passed.Add(frame);
                }
                if (chance.BreaksNow)
                {
                    Interlocked.Increment(ref tally.Breaks);
                    throw new RpcException(new(StatusCode.Unavailable, "the line broke"));
                }
                await to(passed);
            }
            throw new RpcException(new(StatusCode.Unavailable, "the meter ended the stream"));
        }
    }
}
