
namespace Usage.Host.Cluster;

/// <summary>Frames of one stream for one subscription, in order, on their way to the owner's process.</summary>
/// <param name="Stream">which stream; its answers go to <paramref name="Listener"/></param>
/// <param name="Opened">when the stream was opened, in ticks of the real clock: the newer stream of a generation is answered</param>
/// <param name="Epoch">under which earlier frames were taken; 0 if these are the first</param>
/// <param name="Outlet">by which those were answered, at the owner's side</param>
/// <param name="Frames">a MeterRequest; frames may repeat</param>
/// <param name="Flush">answer when all frames so far are committed and their answers delivered</param>
/// <param name="Gone">the stream's connection is broken: nobody hears answers</param>
[GenerateSerializer, Immutable, Alias("usage.frames")]
public readonly record struct FrameBatch(
    [property: Id(0)] Guid Stream, [property: Id(1)] long Opened, [property: Id(2)] IStreamListener Listener, [property: Id(3)] long Epoch,
    [property: Id(4)] long Outlet, [property: Id(5)] byte[] Frames, [property: Id(6)] bool Flush, [property: Id(7)] bool Gone);

/// <param name="Epoch">under which the frames were taken; 0: none was, the owner is not here</param>
/// <param name="Outlet">by which they are answered</param>
/// <param name="Frames">how many frames were; the rest has to be sent again, for the ledger is full</param>
/// <param name="Flushed">what a flush asked for is done</param>
[GenerateSerializer, Immutable, Alias("usage.taken")]
public readonly record struct Taken([property: Id(0)] long Epoch, [property: Id(1)] long Outlet, [property: Id(2)] int Frames, [property: Id(3)] bool Flushed);

/// <summary>Answers to one stream, in order.</summary>
/// <param name="Frames">a MeterResponse</param>
/// <param name="OwnerMoved">the owner of something said on the stream is gone: the stream must end</param>
[GenerateSerializer, Immutable, Alias("usage.answers")]
public readonly record struct AnswerBatch([property: Id(0)] byte[] Frames, [property: Id(1)] bool OwnerMoved);

/// <summary>The answer to a unary call as bytes of its message, or the refusal.</summary>
[GenerateSerializer, Immutable, Alias("usage.answer")]
public readonly record struct UnaryAnswer([property: Id(0)] byte[]? Message, [property: Id(1)] string Reason, [property: Id(2)] string Detail);

/// <summary>Where a shard's ledger stands, as <see cref="Ledger.ShardHead"/>.</summary>
[GenerateSerializer, Immutable, Alias("usage.head")]
public readonly record struct LedgerHead([property: Id(0)] long Batch, [property: Id(1)] byte[] Chain, [property: Id(2)] long Report, [property: Id(3)] long ReportedBatch, [property: Id(4)] byte[] ReportedChain);

public enum UnaryCall { Authorize, Report, Settle, Balance, Correct, Import }

/// <summary>The address of a subscription's owner in the instance that its key names: its shard's home, as the caller knows it.</summary>
[Alias("usage.subscription_owner")]
public interface ISubscriptionOwner : IGrainWithGuidCompoundKey
{
    [Alias("take")]
    Task<Taken> TakeAsync(FrameBatch batch);

    [Alias("ask")]
    Task<UnaryAnswer> AskAsync(UnaryCall call, byte[] request);

    /// <param name="terms">as they are stored</param>
    /// <returns>the epoch of the shard where the owner is; 0 if it is not here</returns>
    [Alias("terms")]
    Task<long> TermsChangedAsync(string terms);
}

/// <summary>The address of a shard's holder, in the instance that its key names.</summary>
[Alias("usage.shard_holder")]
public interface IShardHolder : IGrainWithIntegerCompoundKey
{
    /// <summary>The head, after a report that covers everything queued before.</summary>
    [Alias("cut")]
    Task<LedgerHead> ReportedAsync();
}

/// <summary>A stream's end, in the process that it was opened to.</summary>
[Alias("usage.stream_listener")]
public interface IStreamListener : IGrainObserver
{
    [Alias("hear")]
    Task HearAsync(AnswerBatch batch);
}
