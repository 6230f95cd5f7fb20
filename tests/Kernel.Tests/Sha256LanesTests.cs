using System.Security.Cryptography;
using CsCheck;

namespace Kernel.Tests;

public class Sha256LanesTests
{
    private const int BytesMax = 300;
    private static readonly Gen<byte[][]> Messages = Gen.Byte.Array[0, BytesMax].Array[1, Sha256Lanes.Count];

    [Fact]
    public void Lanes_hash_as_the_library_does_whatever_the_lengths() => Messages.Sample(messages =>
    {
        var laneBytes = Sha256Lanes.BytesFor(BytesMax);
        var lanes = new byte[Sha256Lanes.Count * laneBytes];
        Array.Fill(lanes, (byte)0xAA); // what a lane was used for before must not matter
        for (var i = 0; i < messages.Length; i++) messages[i].CopyTo(lanes, i * laneBytes);
        var digests = new byte[messages.Length][];

        Sha256Lanes.Hash(lanes, laneBytes, messages.Select(m => m.Length).ToArray(), digests);

        Assert.Equal(messages.Select(m => Convert.ToHexStringLower(SHA256.HashData(m))), digests.Select(Convert.ToHexStringLower));
    });

    [Fact]
    public void Leaves_hashed_together_are_those_hashed_alone() => Gen.Byte.Array[0, BytesMax].Array[0, 40].Sample(contents =>
    {
        var leaves = MerkleTree.Leaves(contents.Length, BytesMax, (to, i) =>
        {
            contents[i].CopyTo(to);
            return contents[i].Length;
        });

        Assert.Equal(contents.Select(c => Convert.ToHexStringLower(MerkleTree.Leaf(c))), leaves.Select(Convert.ToHexStringLower));
    });
}
