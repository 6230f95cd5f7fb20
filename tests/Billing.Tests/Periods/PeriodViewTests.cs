using System.Text.Json;
using Billing.Periods;
using static Billing.Tests.Some;

namespace Billing.Tests.Periods;

public sealed class PeriodViewTests
{
    private static readonly PeriodEvent[] Life =
    [
        Opened(Metered), Usage(1, Tokens(Metered, TokenKind.Output, 5)), new PeriodPlanChanged(Menu, Small, false, Jan1.AddDays(3), Jan1.AddDays(3)), Usage(2, Tokens(Small, TokenKind.Input, 7)), Closed(),
        Usage(3, Tokens(Small, TokenKind.Input, 2)), new LateUsageCarried(February, 6, Mar1), Usage(4, Tokens(Small, TokenKind.Input, 1)),
    ];

    [Fact]
    public void B4_a_decision_goes_on_from_the_view_as_from_the_first_event()
    {
        for (var seen = 1; seen <= Life.Length; seen++)
        {
            // As stored and read again.
            var view = Life[..seen].Aggregate((PeriodView?)null, (v, e) => JsonSerializer.Deserialize<PeriodView>(JsonSerializer.Serialize(PeriodView.Fold(v, January, e)))!)!;
            Assert.Equal(PeriodAfter(Life), Life[seen..].Aggregate(view.State!, PeriodState.Evolve));
        }
    }

    [Fact]
    public void A_view_of_before_it_held_what_was_billed_is_no_state_to_go_on_from() =>
        Assert.Null((Life.Aggregate((PeriodView?)null, (v, e) => PeriodView.Fold(v, January, e))! with { Billed = null, ClosedAt = null }).State);
}
