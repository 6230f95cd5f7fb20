namespace Billing.Ledger;

/// <summary>Assets have their balance on the debit side, liabilities and income on the credit side; an account that lowers income has it on the other.</summary>
public enum LedgerAccountKind
{
    Asset,
    Liability,
    Income,
}

/// <summary>An account of the chart. The code is what an accountant maps to the accounts of the company's own books.</summary>
/// <param name="Holds">one phrase that says what its balance is</param>
public sealed record LedgerAccount(string Code, string Name, LedgerAccountKind Kind, string Holds)
{
    public static readonly LedgerAccount
        Cash = new("1000", "Cash", LedgerAccountKind.Asset, "payments less refunds, as payment providers reported them"),
        Receivables = new("1100", "Receivables", LedgerAccountKind.Asset, "what final invoices demand and nobody paid; below zero, what customers have paid too much"),
        Unbilled = new("1200", "Unbilled revenue", LedgerAccountKind.Asset, "earned and not invoiced: the contract asset"),
        CustomerCredit = new("2000", "Customer credit", LedgerAccountKind.Liability, "credit that customers have and can still use"),
        DeferredRevenue = new("2100", "Deferred revenue", LedgerAccountKind.Liability, "invoiced and not earned: the contract liability"),
        TaxPayable = new("2200", "Tax payable", LedgerAccountKind.Liability, "tax on invoices, less tax on credit notes"),
        SubscriptionRevenue = new("4000", "Subscription revenue", LedgerAccountKind.Income, "fees and minimums, after discounts"),
        UsageRevenue = new("4100", "Usage revenue", LedgerAccountKind.Income, "tokens beyond a cap, after discounts and prepaid tokens"),
        CreditNotes = new("4800", "Credit notes", LedgerAccountKind.Income, "revenue that was given back; lowers income"),
        BadDebt = new("4850", "Bad debt", LedgerAccountKind.Income, "what was written off, less what was paid or credited after all; lowers income"),
        CreditGranted = new("4900", "Credit granted", LedgerAccountKind.Income, "credit that customers were given; lowers income"),
        CreditExpired = new("4910", "Credit expired", LedgerAccountKind.Income, "granted credit that nobody used in time, or that was taken back");

    /// <summary>The chart, by code.</summary>
    public static IReadOnlyList<LedgerAccount> All { get; } =
        [Cash, Receivables, Unbilled, CustomerCredit, DeferredRevenue, TaxPayable, SubscriptionRevenue, UsageRevenue, CreditNotes, BadDebt, CreditGranted, CreditExpired];
}
