using Billing.Sellers;
using static Billing.Tests.Some;

namespace Billing.Tests.Accounts;

public sealed class NumberingTests
{
    private static Scenario<SellerState, SellerEvent> TheSeller => new(SellerState.Initial, SellerState.Evolve);
    private static NumberingContinued Continued(string series, long last) => new(series, last, Jan1);
    private static Decision<SellerEvent> Continue(long last, long count, SellerState s) => ContinueNumberingDecision.Decide(new("INV", last, count, Feb1), s);

    [Fact] public void Numbers_go_on_after_the_last_one_of_another_system() => TheSeller.When(s => Continue(4_711, 0, s)).Then(new NumberingContinued("INV", 4_711, Feb1));
    [Fact] public void B5_they_do_so_once() => TheSeller.Given(Continued("INV", 4_711)).When(s => Continue(4_711, 4_712, s)).ThenNothing();
    [Fact] public void A_slip_is_mended_while_nothing_is_numbered() => TheSeller.Given(Continued("INV", 47_111)).When(s => Continue(4_711, 47_111, s)).Then(new NumberingContinued("INV", 4_711, Feb1));
    [Fact] public void B2_not_once_a_number_is_given() => TheSeller.Given(Continued("INV", 4_711)).When(s => Continue(5_000, 4_712, s)).ThenRefused("numbers_given");
    [Fact] public void B2_nor_where_the_series_began_here() => TheSeller.When(s => Continue(5_000, 1, s)).ThenRefused("numbers_given");
    [Fact] public void Another_series_has_numbers_of_its_own() => TheSeller.Given(Continued("CN", 12)).When(s => Continue(4_711, 0, s)).Then(new NumberingContinued("INV", 4_711, Feb1));
    [Theory, InlineData(0), InlineData(-1), InlineData(1_000_000_000_000)] public void What_is_no_number_is_refused(long last) => TheSeller.Given(Continued("INV", 7)).When(s => Continue(last, 7, s)).ThenRefused("last_number_invalid");
}
