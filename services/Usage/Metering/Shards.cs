using System.Buffers.Binary;
using System.Security.Cryptography;

namespace Usage.Metering;

/// <summary>
/// Which shard a subscription's usage is written by: the first 8 bytes (big-endian, unsigned) of SHA-256 of the id's 16 bytes
/// (big-endian), modulo the number of shards. Never to change: a subscription that moved would be written by two writers.
/// </summary>
public static class Shards
{
    public const int CountMax = 64;

    public static int Of(Guid subscription, int shards)
    {
        Span<byte> id = stackalloc byte[16];
        subscription.TryWriteBytes(id, bigEndian: true, out _);
        Span<byte> hash = stackalloc byte[SHA256.HashSizeInBytes];
        SHA256.HashData(id, hash);
        return (int)(BinaryPrimitives.ReadUInt64BigEndian(hash) % (ulong)shards);
    }
}
