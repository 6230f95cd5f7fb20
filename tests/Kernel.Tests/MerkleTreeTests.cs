using CsCheck;

namespace Kernel.Tests;

public class MerkleTreeTests
{
    // The eight leaves and roots with which Certificate Transparency implementations check themselves against RFC 6962.
    private static readonly string[] Leaves = ["", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f"];

    [Theory]
    [InlineData(0, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855")]
    [InlineData(1, "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d")]
    [InlineData(2, "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125")]
    [InlineData(3, "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77")]
    [InlineData(5, "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4")]
    [InlineData(7, "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c")]
    [InlineData(8, "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328")]
    public void Roots_are_those_of_RFC_6962(int count, string root) =>
        Assert.Equal(root, Convert.ToHexStringLower(MerkleTree.Root(Tree(count))));

    [Fact]
    public void Every_leaf_of_every_size_is_proved_and_nothing_else_is() =>
        Gen.Int[1, 70].SelectMany(n => Gen.Select(Gen.Const(n), Gen.Int[0, n - 1])).Sample((count, index) =>
        {
            var leaves = Enumerable.Range(0, count).Select(i => MerkleTree.Leaf(BitConverter.GetBytes(i))).ToArray();
            var root = MerkleTree.Root(leaves);
            var proof = MerkleTree.InclusionProof(leaves, index);
            Assert.True(MerkleTree.Includes(root, count, index, leaves[index], proof));
            Assert.False(MerkleTree.Includes(root, count, index, MerkleTree.Leaf([1, 2, 3]), proof));
            Assert.False(MerkleTree.Includes(root, count, index, leaves[index], [.. proof, root]));
            Assert.False(MerkleTree.Includes(root, count, count, leaves[index], proof));
            if (count > 1) Assert.False(MerkleTree.Includes(root, count, (index + 1) % count, leaves[index], proof));
        });

    [Fact]
    public void The_chain_depends_on_the_previous_value_the_number_and_the_root()
    {
        var (a, b) = (MerkleTree.Leaf([1]), MerkleTree.Leaf([2]));
        Assert.Equal(4, new[] { MerkleTree.Chain(a, 1, b), MerkleTree.Chain(b, 1, a), MerkleTree.Chain(a, 2, b), MerkleTree.Chain(a, 1, a) }
            .Select(Convert.ToHexStringLower).Distinct().Count());
    }

    private static byte[][] Tree(int count) => [.. Leaves.Take(count).Select(l => MerkleTree.Leaf(Convert.FromHexString(l)))];
}
