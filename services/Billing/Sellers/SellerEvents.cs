using System.Diagnostics;
using System.Text.Json.Serialization;
using Billing.Dunning;
using Billing.Rating;

namespace Billing.Sellers;

// Stored facts. A name here is a row in mt_events: add, never rename, never reshape.
/// <summary>Who sells, and the tax rates it charges. One stream in a deployment, for a deployment is one seller.</summary>
public abstract record SellerEvent : AttributedEvent;

/// <summary>What stands at the head of an invoice from now on.</summary>
/// <param name="PaymentInstructions">how to pay: account, reference; may have several lines</param>
/// <param name="Country">ISO 3166-1, two letters: for programs, where the address is for people; null until it is said</param>
/// <param name="NotSubjectToVat">the seller's own word for it; false says nothing</param>
public sealed record SellerNamed(
    string Name, ValueList<string> AddressLines, string TaxId, string Email, string PaymentInstructions, DateTimeOffset At,
    [property: JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)] string? Country = null,
    [property: JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingDefault)] bool NotSubjectToVat = false) : SellerEvent;

/// <summary>An invoice that is finalized from now on falls due so many days after.</summary>
public sealed record PaymentTermsSet(int Days, DateTimeOffset At) : SellerEvent;

/// <summary>
/// Both at once, as it was stored until they were two events. It is not written any more and read for ever. It stays one event of its stream, for invoices name how
/// many they were made by: it is split when it is folded, not when it is read.
/// </summary>
public sealed record SellerDescribed(
    string Name, ValueList<string> AddressLines, string TaxId, string Email, string PaymentInstructions, int PaymentTermsDays, DateTimeOffset At) : SellerEvent
{
    public IReadOnlyList<SellerEvent> Split() =>
        [new SellerNamed(Name, AddressLines, TaxId, Email, PaymentInstructions, At) { By = By }, new PaymentTermsSet(PaymentTermsDays, At) { By = By }];
}

/// <summary>A tax rate that holds from a date on, until another one is set for the same jurisdiction and product.</summary>
/// <param name="Product">subscription or usage; empty for both</param>
/// <param name="Name">what the invoice calls it, such as VAT</param>
/// <param name="From">by the customer's clocks; where no date was said, the moment at which that was</param>
/// <param name="FromNow">true where no date was said; null where one was, and for what was said before this was kept</param>
public sealed record TaxRateSet(
    string Jurisdiction, string Product, string Name, Percent Rate, DateTimeOffset From, DateTimeOffset At,
    [property: JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)] bool? FromNow = null) : SellerEvent
{
    /// <summary>The seller's day of which it was said: the one that was named, else the one in which that was, by UTC as all that the seller dates.</summary>
    [JsonIgnore]
    public DateOnly Day => DateOnly.FromDateTime(From.UtcDateTime);

    /// <summary>What clocks show that are so much ahead of UTC when it begins.</summary>
    public DateTimeOffset Begins(TimeSpan ahead) => FromNow == true ? From + ahead : From;
}

/// <summary>How invoices that fall overdue from now on are dunned.</summary>
/// <param name="Schedule">null for not at all</param>
public sealed record DunningScheduleSet(DunningSchedule? Schedule, DateTimeOffset At) : SellerEvent;

/// <summary>The next number of a series is the one after the last that another system gave.</summary>
public sealed record NumberingContinued(string Series, long LastNumber, DateTimeOffset At) : SellerEvent;

/// <param name="PaymentTermsDays">an invoice falls due so many days after it was finalized</param>
/// <param name="Version">events so far: an invoice names it, and is replayed with the table as it was</param>
public sealed record SellerState(SellerNamed? Seller, int PaymentTermsDays, ValueList<TaxRateSet> Rates, long Version)
{
    /// <summary>Null for none.</summary>
    public DunningSchedule? Dunning { get; init; }

    /// <summary>Series whose numbers go on from another system's, each once.</summary>
    public ValueList<NumberingContinued> Continued { get; init; } = [];

    public const int PaymentTermsDaysDefault = 30;

    public static readonly string StreamId = Ids.Derive("seller", DateTimeOffset.UnixEpoch, "seller");
    public static SellerState Initial { get; } = new(null, PaymentTermsDaysDefault, [], 0);

    /// <summary>The last number of another system that a series goes on from; 0 where it began here.</summary>
    public long ContinuedFrom(string series) => Continued.FirstOrDefault(n => n.Series == series)?.LastNumber ?? 0;

    /// <summary>
    /// The rate that holds at a moment; one of the product itself goes before one of all products. Of those that have begun by then it is the one of the seller's latest day, and of one day the later
    /// word. Null where none holds yet.
    /// </summary>
    /// <param name="on">what the customer's clocks show then</param>
    public TaxRateSet? Rate(string jurisdiction, string product, DateTimeOffset on, DateTimeOffset moment)
    {
        return Last(product) ?? Last("");

        TaxRateSet? Last(string of) => RatesInOrder(jurisdiction, of).LastOrDefault(r => r.Begins(on - moment) <= on);
    }

    /// <summary>By the seller's days, and of one day as they were said: of those that have begun for a customer the last one counts.</summary>
    public IEnumerable<TaxRateSet> RatesInOrder(string jurisdiction, string product) => Of(jurisdiction, product).OrderBy(r => r.Day);

    /// <summary>What held until version 6 of rating: of those that had begun the one that did so last by the customer's clocks, and of two that began at once the later word.</summary>
    /// <param name="on">likewise</param>
    public TaxRateSet? RateBegunLast(string jurisdiction, string product, DateTimeOffset on, DateTimeOffset moment)
    {
        return Last(product) ?? Last("");

        TaxRateSet? Last(string of) => Of(jurisdiction, of).OrderBy(r => r.Begins(on - moment)).LastOrDefault(r => r.Begins(on - moment) <= on);
    }

    /// <summary>The first rate that was or will be, of the product itself before that of all products.</summary>
    public TaxRateSet? FirstRate(string jurisdiction, string product)
    {
        return First(product) ?? First("");

        TaxRateSet? First(string of) => Of(jurisdiction, of).OrderBy(r => r.From).FirstOrDefault();
    }

    private IEnumerable<TaxRateSet> Of(string jurisdiction, string product) => Rates.Where(r => r.Jurisdiction == jurisdiction && r.Product == product);

    public static SellerState Evolve(SellerState state, SellerEvent e) =>
        (e is SellerDescribed described ? described.Split().Aggregate(state, Take) : Take(state, e)) with { Version = state.Version + 1 };

    private static SellerState Take(SellerState state, SellerEvent e) => e switch
    {
        SellerNamed n => state with { Seller = n },
        PaymentTermsSet t => state with { PaymentTermsDays = t.Days },
        TaxRateSet r => state with { Rates = [.. state.Rates, r] },
        DunningScheduleSet d => state with { Dunning = d.Schedule },
        NumberingContinued n => state with { Continued = [.. state.Continued.Where(c => c.Series != n.Series), n] },
        _ => throw new UnreachableException($"{e.GetType().Name} has no place in the seller's stream"),
    };
}
