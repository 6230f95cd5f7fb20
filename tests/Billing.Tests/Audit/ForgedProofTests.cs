using Verifier;
using static Billing.Tests.Audit.ForgedBooks;

namespace Billing.Tests.Audit;

/// <summary>Proofs in which everything fits together and something is not so.</summary>
public sealed class ForgedProofTests
{
    private const string Voided = """{"at": "2026-02-03T04:05:06+00:00", "reason": "wrong"}""";

    [Fact]
    public void A_true_proof_holds_and_is_tied_to_the_chain_of_usage()
    {
        var proof = new ForgedBooks().Check();
        Assert.Empty(proof.Findings);
        Assert.Contains("counted among 107 tokens on INV-000001", Assert.Single(proof.Proven).Statement, StringComparison.Ordinal);
        Assert.DoesNotContain("lines only", proof.Proven[0].Statement, StringComparison.Ordinal);
    }

    [Fact]
    public void An_event_of_before_events_named_the_chain_is_said_to_tie_by_lines_only()
    {
        var proof = new ForgedBooks { WithChains = false }.Check();
        Assert.Empty(proof.Findings);
        Assert.Contains("lines only", Assert.Single(proof.Proven).Statement, StringComparison.Ordinal);
    }

    [Fact]
    public void An_invented_row_under_a_true_report_number_is_not_of_the_chain_that_was_sealed()
    {
        var books = new ForgedBooks();
        Told("and its event names", new() { Row = books.Row with { GenerationId = "gen_019b76daa80070008000000000000bad", Output = 9_999_999 }, Recorded = books.Row });
    }

    [Fact]
    public void An_amendment_that_is_left_out_is_missed() => Told($"version 3 of {January} is missing", new() { Invoiced = 307, Shown = [0, 1, 3, 4, 5] });

    [Fact]
    public void The_beginning_of_a_period_that_is_left_out_is_missed() => Told($"version 1 of {January} is missing", new() { Shown = [1, 2, 3, 4, 5] });

    [Fact]
    public void An_event_that_is_shown_twice_counts_once_and_is_named() => Told("is here twice", new() { Invoiced = 414, Shown = [0, 1, 1, 2, 3, 4, 5] });

    [Fact]
    public void Two_events_of_one_version_are_named() =>
        Told("is here twice", new() { Invoiced = 414, Stored = e => [.. e, new(15, January, 2, "usage_applied", Applied(3, 307, null))], Shown = [0, 1, 6, 2, 3, 4, 5] });

    [Fact]
    public void A_report_that_was_applied_twice_is_named() =>
        Told("applies report 1 of shard 3 again", new() { Invoiced = 614, Stored = e => [.. e[..2], e[2] with { Data = Applied(1, 307, null) }, .. e[3..]] });

    [Fact]
    public void Tokens_of_a_kind_that_no_event_brought_are_not_demanded() =>
        Told("events bring 0 input tokens", new() { MoreLines = """,{"kind":"overage","tokenKind":"input","tokens":50,"amountMicros":0}""" });

    [Fact]
    public void Tokens_that_events_brought_and_no_line_has_are_named() => Told("events bring 107 output tokens", new() { Invoiced = 0 });

    [Fact]
    public void A_row_of_another_subscription_is_not_on_this_invoice() =>
        Told("belongs to sub_", new() { Row = new ForgedBooks().Row with { SubscriptionId = "sub_019b76daa80070008000000000000bad" } });

    [Fact]
    public void An_invoice_that_was_made_final_twice_is_named()
    {
        // The second time with 307, which the events do not bring: only the first one is what was demanded.
        Told("was final already", new()
        {
            Invoiced = 307, Stored = e => [.. e[..2], e[2] with { Data = Applied(2, 0, null) }, e[3], e[4], e[5] with { Data = Finalized("another", 107) }, e[5] with { Sequence = 15, Version = 3 }],
            Shown = [0, 1, 2, 3, 4, 5, 6],
        });
    }

    [Fact]
    public async Task A_leaf_count_that_no_page_has_ends()
    {
        var leaf = HashTree.Leaf([1]);
        foreach (var count in new[] { long.MaxValue, 1L << 62, (1L << 62) + 1 })
            Assert.Null(await Task.Run(() => HashTree.RootOf(count, 0, leaf, [leaf, leaf])).WaitAsync(TimeSpan.FromSeconds(20)));
    }

    [Fact]
    public void Events_that_were_sealed_after_the_head_that_was_noted_are_said_to_be_vouched_for_by_nobody()
    {
        var pages = Pages(new ForgedBooks().Events);
        Assert.StartsWith("no void of INV-000001", Assert.Single(new ForgedBooks().Check(Convert.ToHexStringLower(pages[1].Chain)).Notes), StringComparison.Ordinal);
        var later = new ForgedBooks().Check(Convert.ToHexStringLower(pages[0].Chain));
        Assert.Empty(later.Findings);
        Assert.Equal(2, later.Notes.Count);
        Assert.Contains("3 of its events were sealed after the head", later.Notes[0], StringComparison.Ordinal);
    }

    /// <summary>Whoever wrote it left the close out as well, or the invoice alone.</summary>
    [Theory, InlineData(3), InlineData(4)]
    public void That_there_is_no_invoice_yet_is_not_said_where_it_may_have_been_left_out(int events)
    {
        var proof = new ForgedBooks { Shown = [.. Enumerable.Range(0, events)], InvoiceShown = false }.Check();
        Assert.Empty(proof.Findings);
        Assert.EndsWith("; no final invoice is shown here", Assert.Single(proof.Proven).Statement, StringComparison.Ordinal);
        Assert.Equal("", proof.Proven[0].InvoiceNumber);
        Assert.Contains("was left out", Assert.Single(proof.Notes), StringComparison.Ordinal);
    }

    [Fact]
    public void An_invoice_that_was_voided_is_said_to_be_void()
    {
        var proof = new ForgedBooks
        {
            Stored = e => [.. e, new(15, Invoice, 3, "invoice_fell_overdue", "{}"), new(16, Invoice, 4, "invoice_voided", Voided)], Shown = [0, 1, 2, 3, 4, 5, 6, 7],
        }.Check();
        Assert.Empty(proof.Findings);
        Assert.EndsWith("tokens on INV-000001, which is void since 2026-02-03 04:05:06Z: it demands nothing", Assert.Single(proof.Proven).Statement, StringComparison.Ordinal);
        Assert.Empty(proof.Notes);
    }

    /// <summary>The last events of a stream leave no gap: who left them out shows what a proof of before them shows.</summary>
    [Fact]
    public void Where_no_void_is_shown_it_is_said_that_there_may_be_one()
    {
        var proof = new ForgedBooks
        {
            Stored = e => [.. e, new(15, Invoice, 3, "invoice_fell_overdue", "{}"), new(16, Invoice, 4, "invoice_voided", Voided)], Shown = [0, 1, 2, 3, 4, 5],
        }.Check();
        Assert.Empty(proof.Findings);
        Assert.EndsWith("tokens on INV-000001", Assert.Single(proof.Proven).Statement, StringComparison.Ordinal);
        Assert.Equal("no void of INV-000001 is shown: whether it was voided or credited later, a proof cannot say", Assert.Single(proof.Notes));
    }

    [Theory, InlineData(Generation, Generation), InlineData("", January)]
    public void A_correction_is_called_by_its_id_and_says_who_made_it_and_why(string generation, string of)
    {
        const string id = "cor_019b76daa80070008000000000000001";
        var proof = new ForgedBooks { Row = new ForgedBooks().Row with { GenerationId = generation, Sequence = 0, Correction = new(id, false, "ada", "counted too few") } }.Check();
        Assert.Empty(proof.Findings);
        var proven = Assert.Single(proof.Proven);
        Assert.StartsWith($"correction {id} of {of} (307 output), by ada because \"counted too few\", is row 0 of batch 1", proven.Statement, StringComparison.Ordinal);
        Assert.Equal((id, generation, "INV-000001"), (proven.CorrectionId, proven.GenerationId, proven.InvoiceNumber));
        Assert.Equal("", Assert.Single(new ForgedBooks().Check().Proven).CorrectionId);
    }

    [Fact]
    public void What_became_of_an_invoice_before_it_was_voided_is_not_left_out() => Told($"version 3 of {Invoice} is missing", new()
    {
        Stored = e => [.. e, new(15, Invoice, 3, "invoice_fell_overdue", "{}"), new(16, Invoice, 4, "invoice_voided", Voided)], Shown = [0, 1, 2, 3, 4, 5, 7],
    });

    [Fact]
    public void A_row_with_tokens_of_which_its_report_shows_none_may_have_been_taken_back_or_hidden()
    {
        var proof = new ForgedBooks { LineShown = false, Shown = [0], InvoiceShown = false }.Check();
        Assert.Empty(proof.Findings);
        Assert.Contains("no line of", Assert.Single(proof.Proven).Statement, StringComparison.Ordinal);
        Assert.Contains("has tokens, and no line of report 1", Assert.Single(proof.Notes), StringComparison.Ordinal);
    }

    [Fact]
    public void A_row_without_tokens_needs_no_line()
    {
        var proof = new ForgedBooks { Row = new ForgedBooks().Row with { Output = 0 }, LineShown = false, Shown = [0], InvoiceShown = false }.Check();
        Assert.Empty(proof.Findings);
        Assert.Empty(proof.Notes);
        Assert.Contains("(no tokens)", Assert.Single(proof.Proven).Statement, StringComparison.Ordinal);
    }

    /// <summary>A line of another plan or kind says nothing of it, and the event has the same lines.</summary>
    [Theory, InlineData("kind"), InlineData("plan")]
    public void A_row_whose_plan_or_kind_no_line_has_is_not_said_to_be_counted(string of)
    {
        var row = new ForgedBooks().Row;
        var proof = new ForgedBooks { Row = of == "kind" ? row with { Output = 0, Input = 307 } : row with { PlanId = "plan_019b76daa80070008000000000000bad" } }.Check();
        Assert.Empty(proof.Findings);
        var proven = Assert.Single(proof.Proven);
        Assert.Equal("", proven.InvoiceNumber);
        Assert.DoesNotContain("counted among", proven.Statement, StringComparison.Ordinal);
        Assert.Contains("no line of report 1 of shard 3 is shown that has them", Assert.Single(proof.Notes), StringComparison.Ordinal);
    }

    [Fact]
    public void A_row_of_which_lines_have_a_part_is_not_said_to_be_counted_either()
    {
        var proof = new ForgedBooks { Row = new ForgedBooks().Row with { Input = 5 } }.Check();
        Assert.Empty(proof.Findings);
        Assert.EndsWith($"in which no line of {Plan} has its 5 input: nothing shows that they are on INV-000001", Assert.Single(proof.Proven).Statement, StringComparison.Ordinal);
    }

    [Fact]
    public void A_head_that_was_noted_right_before_the_proof_begins_holds_and_vouches_for_none_of_its_events()
    {
        var proof = new ForgedBooks().Check(Convert.ToHexStringLower(HashTree.Empty));
        Assert.Empty(proof.Findings);
        Assert.Equal(2, proof.Notes.Count);
        Assert.Contains("6 of its events were sealed after the head", proof.Notes[0], StringComparison.Ordinal);
    }

    [Fact]
    public void Of_a_head_that_the_proof_does_not_lead_to_every_cause_is_named() => Assert.Contains(
        "or it was noted before page 1, where this proof begins", Assert.Single(new ForgedBooks().Check(new string('0', 64)).Findings).Finding, StringComparison.Ordinal);

    private static void Told(string finding, ForgedBooks forged) => Assert.Contains(forged.Check().Findings, f => f.Finding.Contains(finding, StringComparison.Ordinal));
}
