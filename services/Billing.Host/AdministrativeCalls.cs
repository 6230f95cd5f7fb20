using System.Collections.Frozen;

namespace Billing.Host;

/// <summary>
/// Which calls are administrative: somebody takes them at his discretion, against the books, agreed terms, or as to who may come in. They always say who and why. Ordinary business is what
/// machines do for customers all day, and FinalizeInvoice: it does by hand what the schedule does otherwise, by the same terms. Every call that changes something stands in one of the two lists, and is administrative until it does.
/// </summary>
public static class AdministrativeCalls
{
    private const string Billing = "billing.v1.Billing/", Invoicing = "billing.v1.Invoicing/", Agreements = "billing.v1.Agreements/", Operations = "billing.v1.Operations/", Webhooks = "billing.v1.Webhooks/",
        Keys = "access.v1.AccessKeys/";

    public static FrozenSet<string> Administrative { get; } = Set(
        Billing + "EraseCustomer", Billing + "MigrateSubscription",
        Invoicing + "VoidInvoice", Invoicing + "IssueCreditNote", Invoicing + "WriteOffInvoice", Invoicing + "HoldDunning", Invoicing + "ReleaseDunning",
        Agreements + "AgreeCommitment", Agreements + "GrantDiscount", Agreements + "EndAgreement", Agreements + "GrantMoneyCredit", Agreements + "GrantTokenCredit", Agreements + "SetTaxTreatment",
        Agreements + "DescribeSeller", Agreements + "SetTaxRate", Agreements + "SetDunningSchedule", Agreements + "ContinueNumbering",
        Operations + "ReplayParkedMessage", Operations + "SetAsideParkedMessage", Operations + "ResumeShard",
        Keys + "RegisterKey", Keys + "RevokeKey");

    public static FrozenSet<string> Business { get; } = Set(
        Billing + "CreateCustomer", Billing + "RecordCustomerDetails", Billing + "SetCustomerTax", Billing + "SetCustomerTimeZone",
        Billing + "Subscribe", Billing + "ChangePlan", Billing + "CancelSubscription", Billing + "ActivateSubscription", Billing + "PauseSubscription", Billing + "ResumeSubscription",
        Billing + "WithdrawScheduledChange",
        Invoicing + "FinalizeInvoice", Invoicing + "RecordPayment", Invoicing + "RecordPaymentFailure", Invoicing + "RecordRefund",
        Webhooks + "RegisterEndpoint", Webhooks + "UpdateEndpoint", Webhooks + "RotateSecret", Webhooks + "DisableEndpoint", Webhooks + "EnableEndpoint", Webhooks + "Redeliver",
        Webhooks + "ReplayEndpoint");

    /// <param name="method">such as billing.v1.Invoicing/VoidInvoice</param>
    public static bool Contain(string method) => Administrative.Contains(method) || (BillingAccess.Changes(method) && !Business.Contains(method));

    private static FrozenSet<string> Set(params string[] methods) => methods.ToFrozenSet(StringComparer.Ordinal);
}
