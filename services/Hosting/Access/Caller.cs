using Grpc.Core;
using Microsoft.AspNetCore.Http;

namespace Hosting;

/// <summary>Who calls, as their key says.</summary>
public static class Caller
{
    /// <summary>Where nobody is asked for a key all callers are one. No key has this name.</summary>
    public const string Anybody = "-";

    private static readonly object Place = new();

    /// <returns>null where nobody was asked for one</returns>
    public static AccessKey? Of(ServerCallContext context) => context.UserState.TryGetValue(Place, out var key) ? (AccessKey)key : null;

    /// <summary>The caller's name, by which idempotency-keys are scoped: it outlives the key, which may be replaced between two attempts.</summary>
    public static string NameOf(ServerCallContext context) => Of(context)?.Name ?? Anybody;

    /// <summary>Likewise over HTTP.</summary>
    public static string NameOf(HttpContext context) => context.Items.TryGetValue(Place, out var key) ? ((AccessKey)key!).Name : Anybody;

    internal static void Set(HttpContext context, AccessKey key) => context.Items[Place] = key;

    internal static void Set(ServerCallContext context, AccessKey key) => context.UserState[Place] = key;
}
