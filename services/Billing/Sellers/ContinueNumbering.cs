using System.Globalization;
using Billing.Invoices;

namespace Billing.Sellers;

/// <summary>Lets numbers of documents go on where another system stopped.</summary>
/// <param name="LastNumber">the count of the last document of that system, without its series</param>
/// <param name="Count">where our own count of the series stands; 0 before its first number</param>
public sealed record ContinueNumbering(string Series, long LastNumber, long Count, DateTimeOffset At);

public static class ContinueNumberingDecision
{
    private const long NumberMax = 999_999_999_999;

    public static Decision<SellerEvent> Decide(ContinueNumbering c, SellerState state)
    {
        var continued = state.ContinuedFrom(c.Series);
        if (c.LastNumber is < 1 or > NumberMax)
            return Decision.Refuse("last_number_invalid", string.Create(CultureInfo.InvariantCulture, $"the last number is from 1 to {NumberMax}: digits alone, without the series"));
        if (c.LastNumber == continued) return Decision.NoChange;
        if (c.Count != continued)
            return Decision.Refuse("numbers_given", $"{InvoiceNumber.Of(c.Series, c.Count)} is given already, and numbers go on from there: a series has no gap");
        return Decision.Accept<SellerEvent>(new NumberingContinued(c.Series, c.LastNumber, c.At));
    }
}
