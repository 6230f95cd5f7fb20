using System.Security.Cryptography;
using Google.Protobuf;
using Grpc.Core;
using Marten;
using JasperFx;

namespace Hosting;

/// <summary>A call that was carried out under a key: kept for ever, so that a retry years later still meets its answer.</summary>
/// <param name="Id">caller (the name of his API key; - where nobody was asked for one), method and key</param>
public sealed record IdempotentCall(string Id, string RequestSha256, byte[] Response);

/// <summary>
/// The metadata idempotency-key (1 to 128 printable characters), scoped by caller and method. The key is written in the
/// transaction of the effect; the same key with another request is refused; refusals are not kept.
/// </summary>
public sealed class IdempotentCalls(IDocumentStore store)
{
    public const string Metadata = "idempotency-key";
    public const string Reused = "idempotency_key_reused";
    private const int KeyLengthMax = 128;

    /// <param name="perform">Does the work; it hands <c>remember</c> to the transaction of its effect, with the response.</param>
    public async Task<TResponse> Once<TResponse>(
        ServerCallContext context, IMessage request, Func<Action<IDocumentSession, TResponse>, Task<TResponse>> perform)
        where TResponse : IMessage<TResponse>, new()
    {
        var key = context.RequestHeaders.GetValue(Metadata);
        if (key is null) return await perform((_, _) => { });
        if (key.Length is 0 or > KeyLengthMax) throw new FormatException($"{Metadata} must have 1 to {KeyLengthMax} characters");

        var (caller, call) = (Caller.NameOf(context), $"{context.Method}|{key}");
        var id = $"{caller}|{call}";
        var sha256 = Convert.ToHexStringLower(SHA256.HashData(request.ToByteArray()));
        if (await Earlier<TResponse>(id, sha256, context.CancellationToken) is { } earlier) return earlier;
        if (caller != Caller.Anybody && await BeforeKeys<TResponse>($"{Caller.Anybody}|{call}", sha256, context.CancellationToken) is { } before) return before;
        try
        {
            var response = await perform((session, answer) => session.Insert(new IdempotentCall(id, sha256, answer.ToByteArray())));
            return await Earlier<TResponse>(id, sha256, context.CancellationToken) ?? await Keep(id, sha256, response, context.CancellationToken);
        }
        catch (DocumentAlreadyExistsException)
        {
            // Two calls with one key at once: the other one committed first.
            return await Earlier<TResponse>(id, sha256, context.CancellationToken)
                ?? throw new InvalidOperationException($"the key {key} collided but is not stored");
        }
    }

    /// <summary>A call that found its effect already there had no transaction for its key to join.</summary>
    private async Task<TResponse> Keep<TResponse>(string id, string sha256, TResponse response, CancellationToken ct)
        where TResponse : IMessage<TResponse>
    {
        await using var session = store.LightweightSession();
        session.Insert(new IdempotentCall(id, sha256, response.ToByteArray()));
        await session.SaveChangesAsync(ct);
        return response;
    }

    private async Task<TResponse?> Earlier<TResponse>(string id, string sha256, CancellationToken ct)
        where TResponse : IMessage<TResponse>, new()
    {
        await using var session = store.QuerySession();
        if (await session.LoadAsync<IdempotentCall>(id, ct) is not { } call) return default;
        if (call.RequestSha256 != sha256)
            throw new Refusal(Reused, "this idempotency-key was used for another request; repeat that one exactly, or take a new key").AsException();
        return Answer<TResponse>(call);
    }

    /// <summary>A call that was made while nobody was asked who he is, and is retried now: the same request is that call. Another one may be anybody's, and is no repeat.</summary>
    private async Task<TResponse?> BeforeKeys<TResponse>(string id, string sha256, CancellationToken ct)
        where TResponse : IMessage<TResponse>, new()
    {
        await using var session = store.QuerySession();
        return await session.LoadAsync<IdempotentCall>(id, ct) is { } call && call.RequestSha256 == sha256 ? Answer<TResponse>(call) : default;
    }

    private static TResponse Answer<TResponse>(IdempotentCall call)
        where TResponse : IMessage<TResponse>, new() => new MessageParser<TResponse>(() => new TResponse()).ParseFrom(call.Response);
}
