namespace Billing.Host;

/// <summary>Who may call what of billing.</summary>
public static class BillingAccess
{
    private const string Billing = "billing.v1.Billing/", Audit = "billing.v1.Audit/", Invoicing = "billing.v1.Invoicing/", Agreements = "billing.v1.Agreements/", Operations = "billing.v1.Operations/",
        Ledger = "billing.v1.Ledger/", Statements = "billing.v1.Statements/", Webhooks = "billing.v1.Webhooks/";
    private const Scope Readers = Scope.Finance | Scope.Auditor, AndTheirOwner = Readers | Scope.Customer;

    /// <summary>The words that names of methods begin with which only read. What reads a stream of answers changes nothing either.</summary>
    private static readonly string[] Reading = ["Get", "List", "Count", "Preview"];

    /// <summary>Whether a call may change what billing has stored.</summary>
    /// <param name="method">such as billing.v1.Billing/Subscribe</param>
    public static bool Changes(string method) => method.StartsWith("billing.v1.", StringComparison.Ordinal) && !method.StartsWith(Audit, StringComparison.Ordinal)
        && !Reading.Any(word => method[(method.IndexOf('/') + 1)..].StartsWith(word, StringComparison.Ordinal));

    public static MethodScopes Methods => new(new Dictionary<string, Scope>
    {
        [Billing + "CreateCustomer"] = Scope.Finance,
        [Billing + "GetCustomer"] = AndTheirOwner,
        [Billing + "ListCustomers"] = Readers,
        [Billing + "RecordCustomerDetails"] = Scope.Finance,
        [Billing + "SetCustomerTax"] = Scope.Finance,
        [Billing + "SetCustomerTimeZone"] = Scope.Finance,
        [Billing + "EraseCustomer"] = Scope.Finance,
        [Billing + "Subscribe"] = Scope.Finance,
        [Billing + "ChangePlan"] = Scope.Finance,
        [Billing + "MigrateSubscription"] = Scope.Finance,
        [Billing + "CancelSubscription"] = Scope.Finance,
        [Billing + "PauseSubscription"] = Scope.Finance,
        [Billing + "ResumeSubscription"] = Scope.Finance,
        [Billing + "ActivateSubscription"] = Scope.Finance,
        [Billing + "WithdrawScheduledChange"] = Scope.Finance,
        [Billing + "PreviewChange"] = AndTheirOwner,
        [Billing + "GetSubscription"] = AndTheirOwner | Scope.Service,
        [Billing + "ListSubscriptions"] = AndTheirOwner,
        [Billing + "CountSubscriptionsByPlan"] = Readers | Scope.Analyst | Scope.Service,
        [Billing + "GetMenuTerms"] = AndTheirOwner | Scope.Analyst | Scope.Service,
        [Billing + "GetInvoice"] = AndTheirOwner,
        [Billing + "ListInvoices"] = AndTheirOwner,
        [Billing + "GetAppliedReports"] = Readers | Scope.Service,

        [Audit + "Replay"] = Scope.Auditor,
        [Audit + "VerifySeals"] = Scope.Auditor,
        [Audit + "Export"] = Scope.Auditor,
        [Audit + "AsOf"] = Scope.Auditor,
        [Audit + "Diff"] = Scope.Auditor,
        [Audit + "Reconcile"] = Scope.Auditor,
        [Audit + "WhatIf"] = Scope.Auditor | Scope.Analyst,
        [Audit + "ProveReports"] = Scope.Auditor,

        [Ledger + "ListAccounts"] = Readers,
        [Ledger + "GetTrialBalance"] = Readers,
        [Ledger + "ListEntries"] = Readers,
        [Ledger + "ListPositions"] = Readers,

        [Statements + "GetStatement"] = AndTheirOwner,

        [Invoicing + "FinalizeInvoice"] = Scope.Finance,
        [Invoicing + "VoidInvoice"] = Scope.Finance,
        [Invoicing + "IssueCreditNote"] = Scope.Finance,
        [Invoicing + "GetCreditNote"] = AndTheirOwner,
        [Invoicing + "RecordPayment"] = Scope.Finance | Scope.Payments,
        [Invoicing + "RecordRefund"] = Scope.Finance | Scope.Payments,
        [Invoicing + "RecordPaymentFailure"] = Scope.Finance | Scope.Payments,
        [Invoicing + "HoldDunning"] = Scope.Finance,
        [Invoicing + "ReleaseDunning"] = Scope.Finance,
        [Invoicing + "WriteOffInvoice"] = Scope.Finance,
        [Invoicing + "GetInvoiceStanding"] = AndTheirOwner | Scope.Payments,
        [Invoicing + "ListInvoiceStandings"] = AndTheirOwner | Scope.Payments,
        [Invoicing + "GetInvoiceDocument"] = AndTheirOwner,

        [Agreements + "AgreeCommitment"] = Scope.Finance,
        [Agreements + "GrantDiscount"] = Scope.Finance,
        [Agreements + "EndAgreement"] = Scope.Finance,
        [Agreements + "GrantMoneyCredit"] = Scope.Finance,
        [Agreements + "GrantTokenCredit"] = Scope.Finance,
        [Agreements + "SetTaxTreatment"] = Scope.Finance,
        [Agreements + "GetAccount"] = AndTheirOwner,
        [Agreements + "DescribeSeller"] = Scope.Finance,
        [Agreements + "SetTaxRate"] = Scope.Finance,
        [Agreements + "SetDunningSchedule"] = Scope.Finance,
        [Agreements + "ContinueNumbering"] = Scope.Finance,
        [Agreements + "GetSeller"] = AndTheirOwner,

        [Operations + "ListParkedMessages"] = Scope.Admin,
        [Operations + "ReplayParkedMessage"] = Scope.Admin,
        [Operations + "SetAsideParkedMessage"] = Scope.Admin,
        [Operations + "ResumeShard"] = Scope.Admin,

        // An endpoint hears of every customer: who may name one is who runs the service.
        [Webhooks + "RegisterEndpoint"] = Scope.Admin,
        [Webhooks + "UpdateEndpoint"] = Scope.Admin,
        [Webhooks + "RotateSecret"] = Scope.Admin,
        [Webhooks + "DisableEndpoint"] = Scope.Admin,
        [Webhooks + "EnableEndpoint"] = Scope.Admin,
        [Webhooks + "GetEndpoint"] = Scope.Admin | Scope.Finance,
        [Webhooks + "ListEndpoints"] = Scope.Admin | Scope.Finance,
        [Webhooks + "ListDeliveries"] = Scope.Admin | Scope.Finance,
        [Webhooks + "Redeliver"] = Scope.Admin,
        [Webhooks + "ReplayEndpoint"] = Scope.Admin,
    });
}
