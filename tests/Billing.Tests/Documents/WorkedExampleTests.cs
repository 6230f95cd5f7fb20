using System.Text;
using System.Text.RegularExpressions;
using Billing.Accounts;
using Billing.Documents;
using Billing.Periods;
using static Billing.Tests.Some;
using static Billing.Tests.Terms;
using static Billing.Tests.Documents.ElectronicInvoices;

namespace Billing.Tests.Documents;

/// <summary>docs/e-invoices.md shows pieces of the XML that this invoice really has.</summary>
public sealed class WorkedExampleTests
{
    [Fact]
    public void The_documents_example_is_what_comes_out()
    {
        var page = File.ReadAllText(Path.Combine(Checkout.Root, "docs/e-invoices.md"));
        var invoice = Read(Of(
            Terms(SellerInGermany, PercentOff("10", DiscountScope.Usage), Taxed()), Opened(Metered) with { LocalTime = LocalTime.Of("UTC", Jan1, Feb1) },
            Usage(1, Tokens(Metered, TokenKind.Output, 601_000)), Closed()));
        var xml = Squeezed(Encoding.UTF8.GetString(UblInvoice.Render(invoice)));
        var pieces = Regex.Matches(page, "```xml\n(.*?)```", RegexOptions.Singleline).Select(m => Squeezed(m.Groups[1].Value)).ToArray();
        Assert.Equal(4, pieces.Length);
        Assert.All(pieces, piece => Assert.Contains(piece, xml, StringComparison.Ordinal));
        Assert.Equal([(1L, 5m, 1L), (1_000, 0, 1_000_000), (600_000, 12.5m, 1_000_000)], invoice.Lines.Select(l => (l.Quantity, l.Price, l.PriceQuantity)));
        Assert.Equal([(750_000L, "Launch: 10 % off usage")], invoice.Allowances.Select(a => (a.AmountMicros.Value, a.Reason)));
    }

    /// <summary>Without the spaces between elements.</summary>
    private static string Squeezed(string xml) => Regex.Replace(xml, "(?<=>)\\s+", "").Trim();
}
