using System.Collections.Frozen;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;

namespace Hosting;

/// <summary>
/// The keys that are let in now, in memory: those of the configuration, and those of the table as it was a moment ago. While the database is away
/// the last ones known hold, for then nobody can revoke one either.
/// </summary>
public sealed class KeyRing(IOptions<AccessOptions> options, AccessKeyTable table, ILogger<KeyRing> log) : BackgroundService
{
    private sealed record Held(FrozenDictionary<string, AccessKey> BySha256, FrozenSet<string> Ids);

    private readonly IReadOnlyList<AccessKey> _configured = [.. options.Value.Keys.Select(AccessKey.Parse)];
    private readonly SemaphoreSlim _one = new(1);
    private volatile Held? _held;
    private long _revision = -1;

    /// <summary>Nobody is asked for a key.</summary>
    public bool IsOpen { get; } = !options.Value.AsksForKeys;

    /// <summary>Whether the table was read since the service started: before, an unknown key may only be one that is not known yet.</summary>
    public bool IsComplete => Volatile.Read(ref _revision) >= 0;

    /// <summary>Those of Access__Keys.</summary>
    public IReadOnlyList<AccessKey> Configured => _configured;

    private Held Now => _held ??= Hold([]);

    /// <param name="text">as the caller sent it</param>
    public AccessKey? Find(string text) => Now.BySha256.GetValueOrDefault(AccessKey.Sha256Of(text));

    public bool Holds(AccessKey key) => Now.Ids.Contains(key.Id);

    /// <summary>Knows from now on what is in the table.</summary>
    public async Task RefreshAsync(CancellationToken ct)
    {
        await _one.WaitAsync(ct);
        try
        {
            // The number first: what comes in between is read twice rather than not.
            var revision = await table.RevisionAsync(ct);
            if (revision == _revision) return;
            _held = Hold(await table.LiveAsync(ct));
            Volatile.Write(ref _revision, revision);
        }
        finally
        {
            _one.Release();
        }
    }

    public override void Dispose()
    {
        _one.Dispose();
        base.Dispose();
    }

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        if (IsOpen) return;
        if (_configured.Count == 0) log.LogInformation("Access__Keys names no key: only those that were registered before are let in");
        string? said = null;
        while (!stoppingToken.IsCancellationRequested)
        {
            try
            {
                await RefreshAsync(stoppingToken);
                if (said is not null) log.LogInformation("the keys are read again");
                said = null;
            }
            catch (Exception e) when (!stoppingToken.IsCancellationRequested)
            {
                var cause = StoreFailure.Cause(e);
                if (cause != said) log.LogWarning("the keys cannot be read: {Cause}; those known hold", said = cause);
            }
            catch (OperationCanceledException)
            {
                return;
            }
            await Task.Delay(TimeSpan.FromSeconds(options.Value.RefreshSeconds), stoppingToken).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
    }

    private Held Hold(IEnumerable<AccessKey> registered)
    {
        AccessKey[] all = [.. registered, .. _configured];
        return new(all.DistinctBy(k => k.Sha256).ToFrozenDictionary(k => k.Sha256, StringComparer.Ordinal), all.Select(k => k.Id).ToFrozenSet(StringComparer.Ordinal));
    }
}
