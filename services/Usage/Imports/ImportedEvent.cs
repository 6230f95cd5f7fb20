using System.Security.Cryptography;
using System.Text;
using Usage.Metering;

namespace Usage.Imports;

/// <summary>Usage that another system has metered already, as one CloudEvent told it: one generation, known only by what it came to.</summary>
/// <param name="Source">with <paramref name="Id"/> the key, for ever</param>
/// <param name="Conversation">empty when the event names none: then it is a conversation of its own</param>
/// <param name="Time">when it happened, by its producer; null if not said. A retry may say another one, so it is no part of the content</param>
public sealed record ImportedEvent(
    string Source, string Id, string Type, Guid Subscription, string Conversation, string Model, Tally Prompt, Tally Generated, DateTimeOffset? Time)
{
    /// <summary>
    /// SHA-256 of what is recorded of the event, by which a repeat is told from the same key with other content. Members that decide nothing
    /// here (cost, total_tokens, time) may differ.
    /// </summary>
    public byte[] Content()
    {
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        foreach (var text in new[] { Type, Ids.Format(Ids.Subscription, Subscription), Conversation, Model })
        {
            // Length prefixes keep ("ab","c") apart from ("a","bc").
            var bytes = Encoding.UTF8.GetBytes(text);
            hash.AppendData(BigEndian(bytes.Length));
            hash.AppendData(bytes);
        }
        foreach (var count in new[] { Prompt.Input, Prompt.CachedInput, Prompt.CacheCreation, Generated.Output, Generated.Reasoning }) hash.AppendData(BigEndian(count));
        return hash.GetHashAndReset();
    }

    private static byte[] BigEndian(long value)
    {
        var bytes = new byte[sizeof(long)];
        System.Buffers.Binary.BinaryPrimitives.WriteInt64BigEndian(bytes, value);
        return bytes;
    }
}
