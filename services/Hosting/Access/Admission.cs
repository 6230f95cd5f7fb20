using Grpc.Core;

namespace Hosting;

/// <summary>Why somebody is not let in, and what to do about it.</summary>
/// <param name="Status">Unauthenticated, PermissionDenied or Unavailable</param>
public sealed record Turned(StatusCode Status, string Reason, string Detail)
{
    public Exception AsException() => RefusalExtensions.ToRpcException(Status, Reason, Detail);
}

/// <summary>The one decision whether a key may do something, for gRPC and for HTTP.</summary>
public sealed class Admission(KeyRing ring)
{
    public const string Header = "authorization";
    private const string Bearer = "Bearer ";

    public bool IsOpen => ring.IsOpen;

    /// <param name="authorization">the header's value; null if there is none</param>
    /// <param name="needed">one of these is enough; none: nobody but admin</param>
    /// <param name="what">the method or path</param>
    public (AccessKey? Key, Turned? Turned) Ask(string? authorization, Scope needed, string what)
    {
        if (string.IsNullOrWhiteSpace(authorization))
            return (null, new(StatusCode.Unauthenticated, "key_missing", $"{what} needs an API key: send it as authorization: Bearer bk_live_…; whoever runs the service makes one with billing key create"));
        var text = authorization.StartsWith(Bearer, StringComparison.OrdinalIgnoreCase) ? authorization[Bearer.Length..].Trim() : "";
        if (ring.Find(text) is not { } key)
            return (null, ring.IsComplete || !text.StartsWith(AccessKey.TextPrefix, StringComparison.Ordinal)
                ? new(StatusCode.Unauthenticated, "key_unknown", "no such API key is known here, or it was revoked: look whether it is whole and begins with bk_live_, or ask for another one")
                : new(StatusCode.Unavailable, "store_unavailable", "the keys have not been read since the service started, for its database does not answer; try again in a few seconds"));
        if (!key.Scopes.HasFlag(Scope.Admin) && (key.Scopes & needed) == Scope.None)
            return (null, new(StatusCode.PermissionDenied, "scope_missing", $"{what} needs a key with the scope {Wanted(needed)}, and {key.Name} ({key.Id}) has {key.Scopes.Names()}: use another key, or have one made with billing key create"));
        return (key, null);
    }

    /// <summary>A call that goes on for long is ended when its key is revoked meanwhile.</summary>
    public void MustStillHold(AccessKey key)
    {
        if (!ring.Holds(key)) throw new Turned(StatusCode.Unauthenticated, "key_unknown", $"{key.Name} ({key.Id}) was revoked: ask for another key").AsException();
    }

    private static string Wanted(Scope needed) => string.Join(" or ", (needed | Scope.Admin).List());
}
