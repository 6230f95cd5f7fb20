using System.Collections;
using Google.Protobuf;
using Google.Protobuf.Reflection;
using Grpc.Core;
using Grpc.Core.Interceptors;

namespace Billing.Host;

/// <summary>
/// Refuses requests with a text that PostgreSQL cannot hold: U+0000 is a character of protobuf and of none of its texts. What came of it else were a failure of billing's own, which callers repeat.
/// </summary>
public sealed class StorableText : Interceptor
{
    /// <exception cref="FormatException">A text of the request holds U+0000.</exception>
    public override Task<TResponse> UnaryServerHandler<TRequest, TResponse>(TRequest request, ServerCallContext context, UnaryServerMethod<TRequest, TResponse> continuation)
    {
        Check((IMessage)request);
        return continuation(request, context);
    }

    /// <exception cref="FormatException">A text of the request holds U+0000.</exception>
    public override Task ServerStreamingServerHandler<TRequest, TResponse>(
        TRequest request, IServerStreamWriter<TResponse> responseStream, ServerCallContext context, ServerStreamingServerMethod<TRequest, TResponse> continuation)
    {
        Check((IMessage)request);
        return continuation(request, responseStream, context);
    }

    public static bool Is(string text) => !text.Contains('\0', StringComparison.Ordinal);

    public static FormatException Wrong(string where) => new($"{where} holds U+0000, which is no character of a text that is kept: send it without");

    private static void Check(IMessage message)
    {
        if (Unstorable(message) is { } field) throw Wrong(field);
    }

    /// <summary>The path of the first field whose text cannot be stored.</summary>
    private static string? Unstorable(IMessage message)
    {
        foreach (var field in message.Descriptor.Fields.InFieldNumberOrder())
        {
            if (field.FieldType is not (FieldType.String or FieldType.Message)) continue;
            if (Unstorable(field.Accessor.GetValue(message)) is { } within) return field.Name + within;
        }
        return null;
    }

    /// <returns>what follows the name of the field: empty where it is the field itself</returns>
    private static string? Unstorable(object? value) => value switch
    {
        string text => Is(text) ? null : "",
        IMessage message => Unstorable(message) is { } field ? $".{field}" : null,
        IDictionary map => map.Keys.Cast<object>().Concat(map.Values.Cast<object>()).Select(Unstorable).FirstOrDefault(w => w is not null),
        IEnumerable list => list.Cast<object>().Select(Unstorable).FirstOrDefault(w => w is not null),
        _ => null,
    };
}
