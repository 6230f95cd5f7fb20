using Usage.Caps;
using Usage.Metering;

namespace Usage.Tests.Issues;

/// <summary>
/// A runtime said its Start again on a new stream, was denied, and went on; its first Start, still under way from the broken stream, met room that had
/// come back. Its prompt was recorded, and known to nobody.
/// </summary>
public sealed class A_denied_start_was_granted_after_all
{
    private readonly OwnerScene _scene = new(new Cap(CapWindow.Conversation, 300, Cap.GeneratedTokens, CapEnforcement.Hard));

    public A_denied_start_was_granted_after_all()
    {
        _scene.Start("before", wanted: 300);
        Assert.Equal(Reasons.CapReached, Denied(Start(asker: 7, attempt: 2)));
        _scene.Finish("before", 1); // and all of its room is back
    }

    [Theory]
    [InlineData(1)] // the one before
    [InlineData(2)] // the same, passed on twice
    public void None_that_was_said_before_is_granted(int attempt)
    {
        Assert.Equal(Reasons.CapReached, Denied(Start(asker: 7, attempt)));
        Assert.DoesNotContain(_scene.Rows, r => r.Generation.Id == OwnerScene.Header("g").Id);
    }

    [Theory]
    [InlineData(7, 3)] // said after the denial
    [InlineData(8, 1)] // by who took the denial for an answer, and asks again with the same id
    [InlineData(0, 0)] // by a runtime that does not count
    public void Whoever_asks_again_is_granted_what_there_is(ulong asker, int attempt) => Assert.Contains(Start(asker, attempt), o => o.Kind == OutcomeKind.Granted);

    [Fact]
    public void What_was_granted_meanwhile_is_met_by_any_that_comes_late()
    {
        Start(asker: 7, attempt: 3);
        Assert.Contains(Start(asker: 7, attempt: 1), o => o.Kind == OutcomeKind.Granted);
    }

    [Fact]
    public void Two_who_ask_with_one_id_are_each_held_to_their_own()
    {
        WithoutRoom(() => Denied(Start(asker: 8, attempt: 1)));
        Denied(Start(asker: 7, attempt: 1));
        Denied(Start(asker: 8, attempt: 1));
    }

    [Fact]
    public void A_denial_is_forgotten_when_no_copy_can_be_on_its_way_any_more()
    {
        _scene.After((OwnerScene.Limits.Lease * 10) + TimeSpan.FromSeconds(1));
        WithoutRoom(() => Denied(Start(asker: 9, attempt: 1, "another")));
        Assert.Contains(Start(asker: 7, attempt: 1), o => o.Kind == OutcomeKind.Granted);
    }

    [Fact]
    public void A_denial_keeps_no_conversation()
    {
        _scene.Owner.LoadConversation("other", Tally.Zero, _scene.Now); // as whoever read the tables for this Start did
        Denied(_scene.Turn(outcomes => _scene.Owner.Start(OwnerScene.Header("g", "other"), 0, _scene.Now, outcomes, attempt: new(7, 2))));
        Assert.False(_scene.Owner.Knows("other"));
    }

    [Fact]
    public void Only_so_many_denials_are_kept()
    {
        WithoutRoom(() =>
        {
            for (var n = 0; n < 1_100; n++) Denied(Start(asker: 9, attempt: 1, $"other {n}"));
        });
        Assert.Contains(Start(asker: 7, attempt: 1), o => o.Kind == OutcomeKind.Granted);
        Assert.Equal(Reasons.CapReached, Denied(Start(asker: 9, attempt: 1, "other 1099")));
    }

    private void WithoutRoom(Action act)
    {
        _scene.Start("hold", wanted: 300);
        act();
        _scene.Finish("hold", 1);
    }

    private List<Outcome> Start(ulong asker, int attempt, string name = "g") => _scene.Turn(outcomes => _scene.Owner.Start(OwnerScene.Header(name), 0, _scene.Now, outcomes, attempt: new(asker, attempt)));

    private static string Denied(List<Outcome> outcomes) => Assert.Single(outcomes, o => o.Kind == OutcomeKind.Denied).Why.Code;
}
