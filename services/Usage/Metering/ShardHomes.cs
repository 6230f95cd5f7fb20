using System.Buffers.Binary;
using System.Security.Cryptography;
using System.Text;

namespace Usage.Metering;

/// <summary>
/// Which of several instances is each shard's home: rendezvous hashing, except that no instance gets more than its share. Every instance
/// that knows the same instances comes to the same answer, without asking anybody.
/// </summary>
public static class ShardHomes
{
    /// <param name="instances">names that differ; in any order</param>
    /// <returns>the home of each shard; empty if there is no instance</returns>
    public static IReadOnlyList<string> Of(int shards, IReadOnlyCollection<string> instances)
    {
        if (instances.Count == 0) return [];
        // Eight shards over few instances would often leave one with nothing to do, were it left to the hash alone.
        var share = (shards + instances.Count - 1) / instances.Count;
        var held = instances.ToDictionary(i => i, _ => 0, StringComparer.Ordinal);
        var homes = new string[shards];
        for (var shard = 0; shard < shards; shard++)
        {
            homes[shard] = instances.Where(i => held[i] < share).OrderByDescending(i => Weight(shard, i)).ThenBy(i => i, StringComparer.Ordinal).First();
            held[homes[shard]]++;
        }
        return homes;
    }

    private static ulong Weight(int shard, string instance) =>
        BinaryPrimitives.ReadUInt64BigEndian(SHA256.HashData(Encoding.UTF8.GetBytes($"{shard}/{instance}")));
}
