using System.Globalization;
using System.Text.Json;
using Billing.Rating;

namespace Billing.Documents;

/// <summary>
/// An invoice or a credit note in the terms of EN 16931, the semantic model behind European electronic invoices. The numbers in the comments (BT-…) are the
/// standard's. It is read from the canonical JSON and the customer's details, and says nothing that they do not.
/// </summary>
/// <param name="Number">BT-1</param>
/// <param name="IssuedOn">BT-2</param>
/// <param name="DueOn">BT-9; null on a credit note</param>
/// <param name="Currency">BT-5</param>
/// <param name="Note">BT-22</param>
/// <param name="Contract">BT-12: the subscription; empty on a credit note</param>
/// <param name="Preceding">BG-3: what a credit note corrects</param>
/// <param name="Period">BG-14</param>
/// <param name="PaymentTerms">BT-20</param>
/// <param name="Lines">BG-25</param>
/// <param name="Allowances">BG-20, and BG-21 where a late correction takes some of one back</param>
/// <param name="Vat">BG-23</param>
public sealed record ElectronicInvoice(
    bool IsCreditNote, string Number, DateOnly IssuedOn, DateOnly? DueOn, Currency Currency, string Note, string Contract, PrecedingInvoice? Preceding, InvoicedDays? Period,
    TradeParty Seller, TradeParty Buyer, string PaymentTerms, ValueList<TradeLine> Lines, ValueList<TradeAllowance> Allowances, ValueList<VatBreakdown> Vat)
{
    /// <summary>BT-24.</summary>
    public const string Specification = "urn:cen.eu:en16931:2017";

    /// <summary>BT-3, of UNTDID 1001.</summary>
    public string TypeCode => IsCreditNote ? "381" : "380";

    /// <summary>BT-106.</summary>
    public Micros LinesMicros => Micros.Sum(Lines.Select(l => l.AmountMicros));

    /// <summary>BT-107.</summary>
    public Micros AllowancesMicros => Micros.Sum(Allowances.Where(a => !a.IsCharge).Select(a => a.AmountMicros));

    /// <summary>BT-108.</summary>
    public Micros ChargesMicros => Micros.Sum(Allowances.Where(a => a.IsCharge).Select(a => a.AmountMicros));

    /// <summary>BT-109.</summary>
    public Micros NetMicros => LinesMicros - AllowancesMicros + ChargesMicros;

    /// <summary>BT-110.</summary>
    public Micros VatMicros => Micros.Sum(Vat.Select(v => v.TaxMicros));

    /// <summary>BT-112, and BT-115: the document is what was demanded, whatever has been paid since.</summary>
    public Micros TotalMicros => NetMicros + VatMicros;
}

/// <param name="Number">BT-25</param>
/// <param name="IssuedOn">BT-26</param>
public sealed record PrecedingInvoice(string Number, DateOnly IssuedOn);

/// <param name="First">BT-73</param>
/// <param name="Last">BT-74, inclusive</param>
public sealed record InvoicedDays(DateOnly First, DateOnly Last)
{
    /// <param name="period">of a canonical invoice: by the customer's calendar, or by UTC where it is older than that</param>
    public static InvoicedDays Of(JsonElement period) => period.TryGetProperty("firstDay", out var first)
        ? new(Day(first.GetString()!), Day(period.GetProperty("lastDay").GetString()!))
        : new(DateOnly.FromDateTime(Time(period, "start")), DateOnly.FromDateTime(Time(period, "end").AddTicks(-1)));

    private static DateOnly Day(string text) => DateOnly.ParseExact(text, "yyyy-MM-dd", CultureInfo.InvariantCulture);

    private static DateTime Time(JsonElement period, string name) => DateTimeOffset.Parse(period.GetProperty(name).GetString()!, CultureInfo.InvariantCulture).UtcDateTime;
}

/// <summary>BG-4 or BG-7. What is not known is empty.</summary>
/// <param name="Id">BT-29 or BT-46</param>
/// <param name="Name">BT-27 or BT-44</param>
/// <param name="AddressLines">at most three: BT-35, BT-36, BT-162, or BT-50, BT-51, BT-163</param>
/// <param name="Country">BT-40 or BT-55, of ISO 3166-1</param>
/// <param name="VatId">BT-31 or BT-48, with its country in front</param>
/// <param name="TaxRegistration">BT-32: a seller's tax number that is no VAT identifier</param>
/// <param name="Email">BT-43 or BT-58</param>
public sealed record TradeParty(
    string Id, string Name, ValueList<string> AddressLines, string City, string PostalCode, string Country, string VatId, string TaxRegistration, string Email);

/// <param name="Id">BT-126</param>
/// <param name="Name">BT-153</param>
/// <param name="PlanId">BT-155; empty on a credit note</param>
/// <param name="Quantity">BT-129, in units of BT-130 C62, "one": below zero where the amount is</param>
/// <param name="Price">BT-146, never below zero</param>
/// <param name="PriceQuantity">BT-149: how many the price is for</param>
/// <param name="AmountMicros">BT-131</param>
/// <param name="Vat">BT-151 and BT-152</param>
/// <param name="Attributes">BG-32: what the canonical line has and EN 16931 has no term for</param>
public sealed record TradeLine(
    string Id, string Name, string PlanId, long Quantity, decimal Price, long PriceQuantity, Micros AmountMicros, VatCategory Vat, ValueList<ItemAttribute> Attributes);

/// <param name="Name">BT-160</param>
/// <param name="Value">BT-161</param>
public sealed record ItemAttribute(string Name, string Value);

/// <param name="IsCharge">added instead of taken off</param>
/// <param name="AmountMicros">BT-92 or BT-99, never below zero</param>
/// <param name="Reason">BT-97 or BT-104</param>
/// <param name="Vat">BT-95 and BT-96, or BT-102 and BT-103</param>
public sealed record TradeAllowance(bool IsCharge, Micros AmountMicros, string Reason, VatCategory Vat);

/// <param name="Code">of UNTDID 5305: S, Z, E, AE or O</param>
/// <param name="Rate">null where the category has none</param>
public sealed record VatCategory(string Code, Percent? Rate)
{
    /// <summary>Not subject to tax: of a seller that charges none anywhere.</summary>
    public static VatCategory OutsideScope { get; } = new("O", null);
}

/// <param name="BaseMicros">BT-116</param>
/// <param name="TaxMicros">BT-117</param>
/// <param name="Category">BT-118 and BT-119</param>
/// <param name="Reason">BT-120: why no tax is charged; empty where it is</param>
/// <param name="ReasonCode">BT-121, of the VATEX list</param>
public sealed record VatBreakdown(Micros BaseMicros, Micros TaxMicros, VatCategory Category, string Reason, string ReasonCode);

/// <summary>EN 16931 demands a term that the document does not have, or cannot express one that it has.</summary>
public sealed class BusinessTermMissingException(string term, string name, string why) : Exception($"the e-invoice lacks {term} ({name}): {why}")
{
    public string Term { get; } = term;
}
