using System.Globalization;
using Xunit.Abstractions;

namespace Usage.Simulation.Tests;

public sealed class SimulationTests(ITestOutputHelper output)
{
    private const int Seeds = 10_000, FailuresMax = 5;

    [Fact]
    public void U1_U2_U3_U4_U5_U6_hold_in_every_story_of_crashes_delays_repeats_and_lost_answers()
    {
        if (Setting("BILLING_SIM_SEED") is { } seed)
        {
            Assert.Null(OnItsOwnThread(() => Stories.Play((ulong)seed, Mutation.None, output.WriteLine)));
            return;
        }
        var sum = new Stories.Sum();
        var failures = Stories.PlayAll(Setting("BILLING_SIM_SEEDS") ?? Seeds, FailuresMax, Mutation.None, sum);
        output.WriteLine($"{sum.Stories} stories, {sum.Steps} steps, {sum.Crashes} crashes, {sum.Grants} grants, {sum.CapDenials} denials at a cap, {sum.Rows} rows, {sum.Overrun} tokens overrun, {sum.Corrections} corrections, {sum.Thresholds} thresholds, {sum.Turns} windows turned, {sum.Reports} reports, {sum.TermsAsked} questions about terms, {sum.Pauses} pauses, {sum.Refusals} refused reports; a shard was wanted for {sum.WantedMsMax / 1000} s at most");
        Assert.True(failures.Count == 0, string.Join('\n', failures.Select(f => $"BILLING_SIM_SEED={f.Seed} tells it step by step: {f.What}")));
    }

    [Theory]
    [InlineData(Mutation.SlabNotDurable)]
    [InlineData(Mutation.EpochUnchecked)]
    [InlineData(Mutation.AcknowledgedBeforeCommit)]
    [InlineData(Mutation.SlabIgnored)]
    [InlineData(Mutation.RepeatsCountedAgain)]
    [InlineData(Mutation.TotalsNotMadeWhole)]
    [InlineData(Mutation.DoubtfulTotals)]
    [InlineData(Mutation.TotalsReadBehind)]
    [InlineData(Mutation.UnloadedLeavesSlab)]
    [InlineData(Mutation.ForgottenSinceUsed)]
    [InlineData(Mutation.LeasesEndUnconfirmed)]
    [InlineData(Mutation.TurnedWindowsUnread)]
    [InlineData(Mutation.CorrectionWithoutKey)]
    [InlineData(Mutation.CorrectionUntold)]
    [InlineData(Mutation.CorrectionAnnouncedAtOnce)]
    [InlineData(Mutation.CorrectionUnannounced)]
    [InlineData(Mutation.LoweredCapUnannounced)]
    [InlineData(Mutation.HeadRemembered)]
    [InlineData(Mutation.MarkedBeforeConfirmed)]
    [InlineData(Mutation.ReportsNotMandatory)]
    [InlineData(Mutation.PaceForgotten)]
    [InlineData(Mutation.ReportsBilledAgain)]
    [InlineData(Mutation.ThresholdsBeforeUsage)]
    [InlineData(Mutation.DenialsForgotten)]
    [InlineData(Mutation.TermsNeededUnheard)]
    [InlineData(Mutation.AheadUnread)]
    [InlineData(Mutation.PauseUntold)]
    [InlineData(Mutation.RefusalOverheard)]
    [InlineData(Mutation.RefusedIsPassedOver)]
    [InlineData(Mutation.ParkedForGood)]
    [InlineData(Mutation.IdleTransactionsStay)]
    [InlineData(Mutation.SilentCopiesStay)]
    public void A_deliberate_fault_is_found(Mutation mutation)
    {
        var failures = Stories.PlayAll(Setting("BILLING_SIM_SEEDS") ?? Seeds, failuresMax: 1, mutation);
        Assert.NotEmpty(failures);
        output.WriteLine(string.Join('\n', failures.Select(f => $"seed {f.Seed}: {f.What}")));
    }

    [Fact]
    public void A_seed_tells_the_same_story_twice()
    {
        Assert.Equal(Told(7), Told(7));

        static List<string> Told(ulong seed)
        {
            var told = new List<string>();
            OnItsOwnThread(() => Stories.Play(seed, Mutation.None, told.Add));
            return told;
        }
    }

    private static T OnItsOwnThread<T>(Func<T> play)
    {
        var result = default(T);
        var thread = new Thread(() => result = play());
        thread.Start();
        thread.Join();
        return result!;
    }

    private static int? Setting(string name) => int.TryParse(Environment.GetEnvironmentVariable(name), CultureInfo.InvariantCulture, out var value) ? value : null;
}
