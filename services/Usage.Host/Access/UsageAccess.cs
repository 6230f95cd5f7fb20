namespace Usage.Host.Access;

/// <summary>Who may call what of usage.</summary>
public static class UsageAccess
{
    private const string Meter = "usage.v1.TokenMeter/", Ledger = "usage.v1.UsageLedger/", Corrections = "usage.v1.UsageCorrections/";

    /// <summary>Whole shards: everybody's usage.</summary>
    private const Scope Books = Scope.Service | Scope.Finance | Scope.Auditor;

    public static MethodScopes Methods => new(new Dictionary<string, Scope>
    {
        [Meter + "Meter"] = Scope.Runtime,
        [Meter + "Authorize"] = Scope.Runtime,
        [Meter + "Report"] = Scope.Runtime,
        [Meter + "Settle"] = Scope.Runtime,
        [Ledger + "GetHeads"] = Books,
        [Ledger + "GetReports"] = Books,
        [Ledger + "GetBatches"] = Books,
        [Ledger + "ProveEvents"] = Books,
        // A client that was lost reads what it had reported.
        [Ledger + "ListEvents"] = Books | Scope.Runtime | Scope.Customer,
        [Ledger + "Aggregate"] = Books | Scope.Analyst | Scope.Customer,
        // A gateway shows its users what is left.
        [Ledger + "GetBalance"] = Books | Scope.Runtime | Scope.Customer,
        [Ledger + "WatchBalance"] = Books | Scope.Runtime | Scope.Customer,
        [Ledger + "ListConversationLengths"] = Scope.Service | Scope.Analyst,
        // Only when a generation has ended does the provider say how it counted the prompt, and the answer.
        [Corrections + "AmendUsage"] = Scope.Finance | Scope.Runtime,
        [Corrections + "VoidUsage"] = Scope.Finance,
    });
}
