using Contracts.Billing.V1;

namespace Cli.Imports;

/// <summary>What is done of an import, or would be, part by part: of a row that billing refuses half way, what was done before. Rows are counted at once from several threads.</summary>
public sealed class ImportCounts
{
    private readonly Lock _gate = new();
    private readonly SortedDictionary<string, long> _creditMicros = new(StringComparer.Ordinal);

    public int CustomersCreated { get; private set; }
    public int CustomersThere { get; private set; }
    public (int New, int There) Subscriptions { get; private set; }
    public (int New, int There) Credits { get; private set; }
    public (int New, int There) Prepaid { get; private set; }
    public decimal PrepaidTokens { get; private set; }

    /// <summary>Of the credits that are new, by currency: micros of different ones make no sum.</summary>
    public IReadOnlyDictionary<string, long> CreditMicros => _creditMicros;

    /// <summary>All that rows ask for, as by a dry run.</summary>
    public static ImportCounts Of(IEnumerable<CustomerImport> imports)
    {
        var counts = new ImportCounts();
        foreach (var import in imports)
        {
            if (import.Customer is not null) counts.Customer(import.IsNew);
            if (import.Credit is { } credit) counts.Credit(credit, import.Currency);
            if (import.Prepaid is { } prepaid) counts.Tokens(prepaid);
            if (import.Subscription is { } subscription) counts.Subscription(subscription);
        }
        return counts;
    }

    public void Customer(bool isNew)
    {
        lock (_gate)
        {
            if (isNew) CustomersCreated++;
            else CustomersThere++;
        }
    }

    public void Subscription(Asked<SubscribeRequest> asked)
    {
        lock (_gate) Subscriptions = Counted(Subscriptions, asked.IsThere);
    }

    /// <param name="currency">of its customer</param>
    public void Credit(Asked<GrantMoneyCreditRequest> asked, string currency)
    {
        lock (_gate)
        {
            Credits = Counted(Credits, asked.IsThere);
            if (!asked.IsThere) _creditMicros[currency] = _creditMicros.GetValueOrDefault(currency) + asked.Request.AmountMicros;
        }
    }

    public void Tokens(Asked<GrantTokenCreditRequest> asked)
    {
        lock (_gate)
        {
            Prepaid = Counted(Prepaid, asked.IsThere);
            if (!asked.IsThere) PrepaidTokens += asked.Request.Tokens;
        }
    }

    private static (int New, int There) Counted((int New, int There) before, bool isThere) => isThere ? before with { There = before.There + 1 } : before with { New = before.New + 1 };
}
