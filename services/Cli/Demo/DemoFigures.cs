using System.Text.Json;
using System.Text.Json.Serialization;

namespace Cli.Demo;

/// <summary>What the demo found out, as --json prints it. Money in major units of the menu's currency, as exact decimals.</summary>
public sealed record DemoFigures
{
    public required IReadOnlyList<DemoPlan> Menu { get; init; }
    public required int Customers { get; init; }
    public required int Subscribers { get; init; }
    public required int Conversations { get; init; }
    public required long TokensGenerated { get; init; }
    /// <summary>Generations of which the ledger has another number of tokens than the runtime counted, or that only one of them knows.</summary>
    public required int GenerationsMisrecorded { get; init; }
    public required long TokensRecorded { get; init; }
    public required long TokensInvoiced { get; init; }
    public required long TokensPastCap { get; init; }
    public required decimal RevenuePredicted { get; init; }
    public required decimal RevenueInvoiced { get; init; }
    public required int Invoices { get; init; }
    public required int InvoicesReplayedIdentical { get; init; }
    public required bool TamperDetected { get; init; }
    public required int Disconnects { get; init; }
    public required int FramesResent { get; init; }
    public required double Seconds { get; init; }

    private static readonly JsonSerializerOptions Json = new(JsonSerializerDefaults.Web) { WriteIndented = true, DefaultIgnoreCondition = JsonIgnoreCondition.Never };

    public string ToJson() => JsonSerializer.Serialize(this, Json);

    /// <summary>What does not add up, in words; empty when the books are right.</summary>
    [JsonIgnore]
    public IReadOnlyList<string> Faults =>
    [
        .. Check(TokensRecorded == TokensInvoiced, $"tokens recorded {TokensRecorded:N0} and invoiced {TokensInvoiced:N0} differ"),
        .. Check(GenerationsMisrecorded == 0, $"{GenerationsMisrecorded:N0} generations were recorded with another count than the runtime's"),
        .. Check(TokensPastCap == 0, $"{TokensPastCap:N0} tokens went past a cap"),
        .. Check(Invoices == Subscribers, $"{Subscribers:N0} subscribers but {Invoices:N0} invoices"),
        .. Check(Invoices == InvoicesReplayedIdentical, $"only {InvoicesReplayedIdentical:N0} of {Invoices:N0} invoices replay to the same bytes"),
        .. Check(TamperDetected, "the altered event was not found"),
        // Few customers cannot stand at the quantiles exactly: one of them buys or does not.
        .. Check(Math.Abs(RevenueInvoiced - RevenuePredicted) <= Math.Max(0.01m * RevenuePredicted, Menu.Max(p => p.PeriodFee)), $"invoiced {RevenueInvoiced} is over 1 % away from the predicted {RevenuePredicted}"),
    ];

    private static string[] Check(bool holds, string otherwise) => holds ? [] : [otherwise];
}

public sealed record DemoPlan(string Plan, long CapTokens, decimal PeriodFee, double Share, int Subscribers);
