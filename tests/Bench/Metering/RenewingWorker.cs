using Contracts.Usage.V1;
using Grpc.Core;

namespace Bench.Metering;

/// <summary>A runtime worker that only asks for more: a message is a renewal for each of its generations that has been answered.</summary>
public sealed class RenewingWorker(TokenMeter.TokenMeterClient meter, string subscription, int generations) : IDisposable
{
    private readonly Dictionary<string, RuntimeFrame> _renewals = [];
    private readonly SemaphoreSlim _heard = new(0, 1);
    private List<RuntimeFrame> _ready = [];
    private long _decided;

    /// <summary>Grants that were answered.</summary>
    public long Decided => Volatile.Read(ref _decided);

    public async Task RunAsync(TimeSpan time)
    {
        using var call = meter.Meter();
        var reading = ReadAsync(call.ResponseStream);
        var message = new MeterRequest();
        for (var n = 0; n < generations; n++)
        {
            var id = Ids.New(Ids.Generation, TimeProvider.System.GetUtcNow());
            lock (_renewals) _renewals[id] = new RuntimeFrame { Renew = new Renew { GenerationId = id } };
            message.Frames.Add(new RuntimeFrame { Start = new Start { GenerationId = id, SubscriptionId = subscription, Conversation = $"renewed-{n}", Model = "small-model" } });
        }
        await call.RequestStream.WriteAsync(message);
        for (var begin = TimeProvider.System.GetTimestamp(); TimeProvider.System.GetElapsedTime(begin) < time && !reading.IsCompleted;)
        {
            message.Frames.Clear();
            lock (_renewals)
            {
                message.Frames.AddRange(_ready);
                _ready.Clear();
            }
            if (message.Frames.Count > 0) await call.RequestStream.WriteAsync(message);
            else await _heard.WaitAsync(TimeSpan.FromMilliseconds(1));
        }
        await call.RequestStream.CompleteAsync();
        await reading;
    }

    public void Dispose() => _heard.Dispose();

    private async Task ReadAsync(IAsyncStreamReader<MeterResponse> stream)
    {
        while (await stream.MoveNext(CancellationToken.None))
        {
            lock (_renewals)
            {
                foreach (var frame in stream.Current.Frames)
                {
                    if (frame.Grant is not { } grant) continue;
                    _decided++;
                    _ready.Add(_renewals[grant.GenerationId]);
                }
            }
            if (_heard.CurrentCount == 0) _heard.Release();
        }
    }
}
