using System.Globalization;

namespace Billing.Invoices;

/// <summary>The number that a tax office reads: the series and a count without gaps, at least six digits.</summary>
public static class InvoiceNumber
{
    public static string Of(string series, long count) => string.Create(CultureInfo.InvariantCulture, $"{series}-{count:D6}");
}
