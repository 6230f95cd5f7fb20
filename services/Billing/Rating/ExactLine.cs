namespace Billing.Rating;

/// <summary>What a line of an invoice is about. The names are those of the document and of the API.</summary>
public static class LineKinds
{
    public const string PeriodFee = "period_fee", Included = "included", Overage = "overage", Overrun = "overrun", Adjustment = "adjustment";
}

/// <summary>A line before rounding: its amount is exact, fractions of a micro included.</summary>
/// <param name="AboutPeriodId">for an adjustment, the closed period it belongs to; else empty</param>
public sealed record ExactLine(
    string Kind, string Description, string PlanId, TokenKind? TokenKind, long Tokens, UnitPrice? UnitPrice, decimal ExactMicros, string AboutPeriodId);

/// <summary>A line as invoiced: a whole number of the currency's minor unit.</summary>
public sealed record InvoiceLine(
    string Kind, string Description, string PlanId, TokenKind? TokenKind, long Tokens, UnitPrice? UnitPrice, Micros AmountMicros, string AboutPeriodId);

/// <summary>Lines that add up to the total, exactly (B1).</summary>
public sealed record RatedInvoice(ValueList<InvoiceLine> Lines, Micros TotalMicros);
