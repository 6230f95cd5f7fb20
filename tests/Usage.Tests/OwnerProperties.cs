using CsCheck;

namespace Usage.Tests;

public sealed class OwnerProperties
{
    private static readonly Gen<(int Operation, int Which, int Amount)[]> Story = Gen.Select(Gen.Int[0, 11], Gen.Int[0, World.GenerationCount - 1], Gen.Int[0, 1_000]).Array[1, 120];

    [Fact]
    public void U1_U2_U3_U6_hold_under_any_interleaving_of_runtimes_commits_leases_and_crashes() =>
        Gen.Select(Gen.Long[1, 60], Gen.Long[1, 120], Story).Sample(
            (conversationCap, periodCap, story) =>
            {
                var world = new World(conversationCap, periodCap);
                foreach (var (operation, which, amount) in story) world.Step(operation, which, amount);
                world.Settle();
            },
            iter: 3_000);
}
