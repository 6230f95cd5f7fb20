namespace PlanDesign.Urgency;

public sealed class UrgencyTests
{
    [Fact]
    public void Cells_have_equal_mass_and_types_stand_at_the_end_that_was_asked_for()
    {
        var urgency = new UniformUrgency(0.2, 1.2);
        Assert.Equal([0.45, 0.7, 0.95, 1.2], urgency.Types(4, CellEnd.Upper).RatesPerSecond, Close);
        Assert.Equal([0.2, 0.45, 0.7, 0.95], urgency.Types(4, CellEnd.Lower).RatesPerSecond, Close);
        Assert.Equal([0.25, 0.25, 0.25, 0.25], urgency.Types(4, CellEnd.Upper).Weights);
    }

    [Fact]
    public void The_last_cell_of_an_unbounded_urgency_is_present_but_never_served()
    {
        var types = new LogNormalUrgency(-2, 1).Types(5, CellEnd.Upper);
        Assert.Equal(4, types.Count);
        Assert.True(types.HasUnservedType);
        Assert.Equal(0.8, types.CumulativeWeights()[^1], 12);
        Assert.Equal(5, new LogNormalUrgency(-2, 1).Types(5, CellEnd.Lower).Count);
    }

    [Fact]
    public void Quantile_and_share_undo_each_other()
    {
        foreach (var urgency in new UrgencyModel[] { new UniformUrgency(0.1, 0.4), new LogNormalUrgency(-2, 1) })
            foreach (var p in new[] { 0.001, 0.25, 0.5, 0.975 })
                Assert.Equal(p, urgency.Cdf(urgency.Quantile(p)), 1e-12);
        Assert.Equal(Math.Exp(-2), new LogNormalUrgency(-2, 1).Quantile(0.5), 1e-14);
        Assert.Equal((0, double.PositiveInfinity), (new LogNormalUrgency(-2, 1).Quantile(0), new LogNormalUrgency(-2, 1).Quantile(1)));
    }

    [Theory]
    [InlineData(0, 0.1), InlineData(0.3, 0.1), InlineData(0.4, 0.1), InlineData(0.41, 0.5), InlineData(1, 0.5)]
    public void A_discrete_quantile_is_the_rate_that_reaches_the_share(double share, double rate) =>
        Assert.Equal(rate, new DiscreteUrgency([0.1, 0.5], [0.4, 0.6]).Quantile(share));

    private static bool Close(double a, double b) => Math.Abs(a - b) < 1e-12;
}
