using System.Text.Json;
using Billing.Invoices;
using Billing.Periods;
using Billing.Rating;
using static Billing.Tests.Some;
using static Billing.Tests.Terms;

namespace Billing.Tests.Documents;

/// <summary>The published schemas name every property that a document has, in its order, and every kind of line.</summary>
public sealed class DocumentSchemaTests
{
    private static JsonElement Schema(string name) => JsonDocument.Parse(File.ReadAllText(Path.Combine(Checkout.Root, "contracts/documents", name))).RootElement;

    [Fact]
    public void The_schema_names_every_property_of_an_invoice_in_its_order()
    {
        var late = new LateUsageAdded(January, Menu, 0, Jan1, Feb1, 4, [], [Tokens(Metered, TokenKind.Output, 900_000)], Mar1);
        var facts = FactsAfter(Opened(Metered, 1), Usage(1, Tokens(Metered, TokenKind.Output, 601_000), Tokens(Metered, TokenKind.Reasoning, 5), Tokens(Metered, TokenKind.Overrun, 3)), late, Closed()) with { CustomerDetailsSha256 = "ab", LocalTime = LocalTime.Of("Europe/Berlin", Feb1, Mar1) };
        var reasoning = Billing.Menus.OveragePrice.Packaged(TokenKind.Reasoning, new(3, new(2_000_000)));
        var menu = Some.Terms() with { Plans = [Some.Terms().Plans[0], Some.Terms().Plans[1] with { Caps = [new(CapWindow.BillingPeriod, 1, Cap.GeneratedTokens, CapEnforcement.Billed)], Overage = [Some.Terms().Plans[1].Overage[0], reasoning] }] };
        var terms = Agreed(menu, Minimum(90_000_000), PercentOff("10"), Prepaid(100_000), Money(1_000_000), Taxed());
        using var json = JsonDocument.Parse(InvoiceDocument.Finalized(facts, terms, "INV-1", new("", 0, 0, Mar1, Mar1)).ToUtf8());
        var schema = Schema("invoice.schema.json");
        Assert.Equal(schema.GetProperty("properties").EnumerateObject().Select(p => p.Name), json.RootElement.EnumerateObject().Select(p => p.Name));
        var line = schema.GetProperty("$defs").GetProperty("line").GetProperty("properties");
        var lines = json.RootElement.GetProperty("lines").EnumerateArray().ToArray();
        Assert.Equal(line.EnumerateObject().Select(p => p.Name).Order(), lines.SelectMany(l => l.EnumerateObject().Select(p => p.Name)).Distinct().Order());
        var period = schema.GetProperty("properties").GetProperty("period").GetProperty("properties");
        Assert.Equal(period.EnumerateObject().Select(p => p.Name), json.RootElement.GetProperty("period").EnumerateObject().Select(p => p.Name));
        Assert.Equal(
            typeof(LineKinds).GetFields().Select(f => (string)f.GetValue(null)!).Order(), line.GetProperty("kind").GetProperty("enum").EnumerateArray().Select(k => k.GetString()!).Order());
        Assert.Equal(lines.Select(l => l.GetProperty("kind").GetString()).Distinct().Order(), line.GetProperty("kind").GetProperty("enum").EnumerateArray().Select(k => k.GetString()).Order());
    }

    [Fact]
    public void The_schema_names_every_property_of_a_credit_note_in_its_order()
    {
        var note = new CreditNoteDocument("cn", "CN-1", "inv", "INV-1", "cus", Usd, "why", [new("VAT", new(1), new(1))], Jan1);
        using var json = JsonDocument.Parse(note.ToUtf8());
        Assert.Equal(Schema("credit_note.schema.json").GetProperty("properties").EnumerateObject().Select(p => p.Name), json.RootElement.EnumerateObject().Select(p => p.Name));
    }
}
