using Contracts.Access.V1;
using Google.Protobuf.WellKnownTypes;
using Grpc.Core;
using Key = Contracts.Access.V1.AccessKey;

namespace Hosting;

/// <summary>access.v1.AccessKeys of this service.</summary>
public sealed class AccessKeysService(KeyRing ring, AccessKeyTable table, IEnumerable<KeyOrdered> told) : AccessKeys.AccessKeysBase
{
    public override async Task<Key> RegisterKey(RegisterKeyRequest request, ServerCallContext context)
    {
        var by = ByWhom(context);
        var key = new AccessKey(
            request.KeyId, request.Name, Scopes.Parse(request.Scopes), request.CustomerId.Length == 0 ? null : request.CustomerId, Convert.ToHexStringLower(request.Sha256.Span), request.Shown)
        {
            CreatedAt = TimeProvider.System.GetUtcNow(), CreatedBy = by,
        }.Checked();
        await Tell(new(key.Id, key), context);
        var kept = ring.Configured.Any(k => k.Sha256 == key.Sha256) ? null : await table.AddAsync(key, context.CancellationToken);
        if (kept is null) throw RefusalExtensions.ToRpcException(StatusCode.AlreadyExists, "key_exists", $"{request.KeyId}, or its secret, is another key already: make a new one");
        await ring.RefreshAsync(context.CancellationToken);
        return Show(kept);
    }

    public override async Task<ListKeysResponse> ListKeys(ListKeysRequest request, ServerCallContext context)
    {
        ByWhom(context);
        var size = Pages.Size(request.PageSize);
        var found = await table.ListAsync(request.IncludeRevoked, request.PageToken, size + 1, context.CancellationToken);
        var response = new ListKeysResponse { NextPageToken = found.Count > size ? found[size - 1].Id : "" };
        if (request.PageToken.Length == 0) response.Keys.AddRange(ring.Configured.Select(Show));
        response.Keys.AddRange(found.Take(size).Select(Show));
        return response;
    }

    public override async Task<Key> RevokeKey(RevokeKeyRequest request, ServerCallContext context)
    {
        var by = ByWhom(context);
        if (ring.Configured.Any(k => k.Id == request.KeyId))
            throw RefusalExtensions.ToRpcException(StatusCode.FailedPrecondition, "key_configured", $"{request.KeyId} stands in Access__Keys: take it out there, and restart the service");
        await Tell(new(request.KeyId, null), context);
        var key = await table.RevokeAsync(request.KeyId, TimeProvider.System.GetUtcNow(), by, context.CancellationToken)
            ?? throw RefusalExtensions.ToRpcException(StatusCode.NotFound, "key_not_found", $"there is no key {request.KeyId} here; ListKeys shows those there are");
        await ring.RefreshAsync(context.CancellationToken);
        return Show(key);
    }

    private async Task Tell(KeyOrder order, ServerCallContext context)
    {
        foreach (var listener in told) await listener(order, context);
    }

    // Where nobody is asked for a key, anybody could make one now that opens the door when it is locked later.
    private static string ByWhom(ServerCallContext context) => Caller.Of(context)?.Name
        ?? throw RefusalExtensions.ToRpcException(StatusCode.FailedPrecondition, "access_open", "this service asks nobody for a key: set Access__Mode=Keys and a first key in Access__Keys, then make others");

    private static Key Show(AccessKey key)
    {
        var shown = new Key
        {
            KeyId = key.Id, Name = key.Name, CustomerId = key.CustomerId ?? "", Shown = key.Shown, CreatedAt = key.CreatedAt?.ToTimestamp(), RevokedAt = key.RevokedAt?.ToTimestamp(),
            CreatedBy = key.CreatedBy, RevokedBy = key.RevokedBy, Configured = key.Configured,
        };
        shown.Scopes.AddRange(key.Scopes.List());
        return shown;
    }
}
