using Billing.Accounts;

namespace Billing.Rating;

/// <summary>What a line of an invoice is about. The names are those of the document and of the API.</summary>
public static class LineKinds
{
    public const string PeriodFee = "period_fee", Included = "included", Overage = "overage", Overrun = "overrun", Adjustment = "adjustment",
        Commitment = "commitment", Discount = "discount", PrepaidTokens = "prepaid_tokens", Credit = "credit", Tax = "tax";
}

/// <summary>What is sold, as far as tax and discounts tell things apart.</summary>
public static class Products
{
    public const string Subscription = "subscription", Usage = "usage";

    public static IReadOnlyList<string> All { get; } = [Subscription, Usage];

    /// <summary>Of a line that does not say it: the fee and what tops it up are the subscription, tokens are usage.</summary>
    public static string Of(string lineKind) => lineKind is LineKinds.PeriodFee or LineKinds.Commitment ? Subscription : Usage;

    public static bool IsIn(this string product, DiscountScope scope) => scope == DiscountScope.All || scope.Name() == product;
}

/// <param name="Count">packages that were begun</param>
/// <param name="Tokens">in one of them</param>
public sealed record LinePackages(long Count, long Tokens, Micros PriceMicros);

/// <summary>A line before rounding: its amount is exact, fractions of a micro included.</summary>
/// <param name="AboutPeriodId">for an adjustment, the closed period it belongs to; else empty</param>
public sealed record ExactLine(
    string Kind, string Description, string PlanId, TokenKind? TokenKind, long Tokens, UnitPrice? UnitPrice, decimal ExactMicros, string AboutPeriodId)
{
    public string Product { get; init; } = Products.Of(Kind);

    /// <summary>The agreement or grant that the line comes from; empty for what the plan says.</summary>
    public string TermId { get; init; } = "";

    /// <summary>Null where tokens are not sold in packages.</summary>
    public LinePackages? Packages { get; init; }
}

/// <summary>A line as invoiced: a whole number of the currency's minor unit.</summary>
public sealed record InvoiceLine(
    string Kind, string Description, string PlanId, TokenKind? TokenKind, long Tokens, UnitPrice? UnitPrice, Micros AmountMicros, string AboutPeriodId)
{
    public string Product { get; init; } = Products.Of(Kind);
    public string TermId { get; init; } = "";
    public LinePackages? Packages { get; init; }

    /// <summary>Only on a line of tax that is charged, or is not owed.</summary>
    public LineTax? Tax { get; init; }
}

/// <param name="BaseMicros">what the rate is applied to</param>
public sealed record LineTax(string Jurisdiction, TaxTreatment Treatment, Percent Rate, Micros BaseMicros)
{
    /// <summary>Of the note that is printed with it, from the customer's details; empty without one.</summary>
    public string NoteSha256 { get; init; } = "";
}

/// <summary>Lines that add up to the total, exactly (B1); tax is among them.</summary>
public sealed record RatedInvoice(ValueList<InvoiceLine> Lines, Micros TotalMicros)
{
    /// <summary>The credit that this invoice uses once it is final.</summary>
    public ValueList<CreditDraw> Draws { get; init; } = [];

    public Micros TaxMicros => Micros.Sum(Lines.Where(l => l.Kind == LineKinds.Tax).Select(l => l.AmountMicros));

    /// <summary>The total before tax.</summary>
    public Micros NetMicros => TotalMicros - TaxMicros;
}
