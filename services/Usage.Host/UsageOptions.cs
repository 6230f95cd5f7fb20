using System.ComponentModel.DataAnnotations;
using Usage.Caps;

namespace Usage.Host;

/// <summary>What can be set of the usage service. Section "Usage". Times are real time unless they say business time.</summary>
public sealed class UsageOptions
{
    public const string Section = "Usage";

    /// <summary>Npgsql connection string of the role that owns the schema "usage".</summary>
    [PostgresConnectionString]
    [Display(Name = "Usage__Postgres")]
    public string Postgres { get; init; } = "";

    /// <summary>Where billing answers gRPC, for subscriptions that usage has not heard of.</summary>
    [ServiceAddress(ErrorMessage = "Usage__BillingAddress must be an http:// or https:// address such as http://billing:8081")]
    public string BillingAddress { get; init; } = "http://localhost:8281";

    /// <summary>Tokens of a grant. Default 256. It is renewed when less than half is unspent.</summary>
    [Range(1, 1_000_000, ErrorMessage = "Usage__ChunkTokens must be from 1 to 1000000 tokens")]
    public int ChunkTokens { get; init; } = 256;

    /// <summary>The most tokens that one generation holds at once, however many it asks for. Default 65,536.</summary>
    [Range(1, 100_000_000, ErrorMessage = "Usage__GrantTokensMax must be from 1 to 100000000 tokens")]
    public long GrantTokensMax { get; init; } = 65_536;

    /// <summary>How long a grant lives without a word from its runtime, in seconds. Default 60.</summary>
    [Range(1, 3600, ErrorMessage = "Usage__LeaseSeconds must be from 1 to 3600 seconds")]
    public int LeaseSeconds { get; init; } = 60;

    /// <summary>How many shards share the ledger. Default 8; fixed when the database is first used.</summary>
    [Range(1, Metering.Shards.CountMax, ErrorMessage = "Usage__Shards must be from 1 to 64")]
    public int Shards { get; init; } = 8;

    /// <summary>How old a generation id may be, in days of business time. Default 35.</summary>
    [Range(1, 3650, ErrorMessage = "Usage__RetentionDays must be from 1 to 3650 days")]
    public int RetentionDays { get; init; } = 35;

    /// <summary>Generations of one subscription that may run at once. Default 10,000.</summary>
    [Range(1, 1_000_000, ErrorMessage = "Usage__GenerationsPerSubscriptionMax must be from 1 to 1000000")]
    public int GenerationsPerSubscriptionMax { get; init; } = 10_000;

    /// <summary>Generations that one stream may have running. Default 100,000.</summary>
    [Range(1, 10_000_000, ErrorMessage = "Usage__GenerationsPerStreamMax must be from 1 to 10000000")]
    public int GenerationsPerStreamMax { get; init; } = 100_000;

    /// <summary>Frames in one message of a stream. Default 10,000.</summary>
    [Range(1, 1_000_000, ErrorMessage = "Usage__FramesPerMessageMax must be from 1 to 1000000")]
    public int FramesPerMessageMax { get; init; } = 10_000;

    /// <summary>Bytes of one frame. Default 1,024: with the longest names and counts a Start has fewer than 500.</summary>
    [Range(512, 1_024 * 1_024, ErrorMessage = "Usage__FrameBytesMax must be from 512 to 1048576 bytes")]
    public int FrameBytesMax { get; init; } = 1_024;

    /// <summary>Bytes of one message, or of one body of events. Default 4 MiB.</summary>
    [Range(1_024, 256 * 1_024 * 1_024, ErrorMessage = "Usage__MessageBytesMax must be from 1024 to 268435456 bytes")]
    public int MessageBytesMax { get; init; } = 4 * 1_024 * 1_024;

    /// <summary>How long a stream may be silent before it is closed, in seconds. Default 900.</summary>
    [Range(1, 86_400, ErrorMessage = "Usage__StreamIdleSecondsMax must be from 1 to 86400 seconds")]
    public int StreamIdleSecondsMax { get; init; } = 900;

    /// <summary>Answers waiting for a client that does not read before its stream is closed. Default 200,000.</summary>
    [Range(100, 10_000_000, ErrorMessage = "Usage__AnswersWaitingMax must be from 100 to 10000000")]
    public int AnswersWaitingMax { get; init; } = 200_000;

    /// <summary>Rows waiting for a shard's writer before its clients have to wait. Default 50,000.</summary>
    [Range(100, 10_000_000, ErrorMessage = "Usage__RowsWaitingMax must be from 100 to 10000000")]
    public int RowsWaitingMax { get; init; } = 50_000;

    /// <summary>Rows in one commit. Default 10,000.</summary>
    [Range(1, 100_000, ErrorMessage = "Usage__BatchRowsMax must be from 1 to 100000")]
    public int BatchRowsMax { get; init; } = 10_000;

    /// <summary>
    /// Commits of different shards under way at once. Default 2: a database that is busy with them gains from larger ones, not from more. Raise it
    /// with the cores of the database.
    /// </summary>
    [Range(1, Metering.Shards.CountMax, ErrorMessage = "Usage__CommitsAtOnceMax must be from 1 to 64")]
    public int CommitsAtOnceMax { get; init; } = 2;

    /// <summary>Least time between two reports of a shard, in milliseconds. Default 500: at most two a second, and in Production not less.</summary>
    // Whoever asks for heads waits for so long, and another instance not longer than a grain's answer may take.
    [Range(10, 20_000, ErrorMessage = "Usage__ReportIntervalMs must be from 10 to 20000 milliseconds")]
    public int ReportIntervalMs { get; init; } = 500;

    /// <summary>What billing is promised: two reports a second of a shard.</summary>
    internal const int ReportIntervalMsLeast = 500;

    /// <summary>How long a unary call waits for its answer to be durable, anybody for a look-up in the tables, and a question about the past for its turn, in seconds. Default 15.</summary>
    [Range(1, 300, ErrorMessage = "Usage__UnaryWaitSecondsMax must be from 1 to 300 seconds")]
    public int UnaryWaitSecondsMax { get; init; } = 15;

    /// <summary>How long billing is not asked again about a subscription that it did not know, or had no newer periods of, in seconds. Default 2.</summary>
    [Range(1, 3_600, ErrorMessage = "Usage__BillingAskedAgainSeconds must be from 1 to 3600 seconds")]
    public int BillingAskedAgainSeconds { get; init; } = 2;

    /// <summary>Subscriptions that billing is asked about at once. Default 64.</summary>
    [Range(1, 10_000, ErrorMessage = "Usage__BillingAsksMax must be from 1 to 10000")]
    public int BillingAsksMax { get; init; } = 64;

    /// <summary>
    /// How long a transaction may wait for its instance, in seconds, before it is ended: an instance that is frozen, or whose network is gone, holds its shards no
    /// longer. Default 10. Options that the connection string sets itself stand.
    /// </summary>
    // An instance waits for a lock for so long, and less than a command may take.
    [Range(1, 20, ErrorMessage = "Usage__TransactionIdleSecondsMax must be from 1 to 20 seconds")]
    public int TransactionIdleSecondsMax { get; init; } = 10;

    /// <summary>
    /// Look-ups of one kind that may wait for the database at once: of owners, of frames that came again, of whose a subscription is. Default 10,000 of
    /// streams and imports, which wait beyond it, and as many of calls, which are refused beyond it.
    /// </summary>
    [Range(1, 1_000_000, ErrorMessage = "Usage__LookupsWaitingMax must be from 1 to 1000000")]
    public int LookupsWaitingMax { get; init; } = 10_000;

    /// <summary>Corrections that may wait for the database at once. Default 100.</summary>
    [Range(1, 10_000, ErrorMessage = "Usage__CorrectionsWaitingMax must be from 1 to 10000")]
    public int CorrectionsWaitingMax { get; init; } = 100;

    /// <summary>Events that one request may import. Default 1,000.</summary>
    [Range(1, 100_000, ErrorMessage = "Usage__EventsPerImportMax must be from 1 to 100000")]
    public int EventsPerImportMax { get; init; } = 1_000;

    /// <summary>Imports that this instance carries at once. Default 64.</summary>
    [Range(1, 10_000, ErrorMessage = "Usage__ImportsMax must be from 1 to 10000")]
    public int ImportsMax { get; init; } = 64;

    /// <summary>Likewise of one caller, by his key: half of them. Default 32. Where nobody is asked for a key all callers are one, and only <see cref="ImportsMax"/> holds.</summary>
    [Range(1, 10_000, ErrorMessage = "Usage__ImportsPerCallerMax must be from 1 to 10000")]
    public int ImportsPerCallerMax { get; init; } = 32;

    /// <summary>How long an import may take, from its first byte to the commit, in seconds. Default 30.</summary>
    [Range(1, 600, ErrorMessage = "Usage__ImportSecondsMax must be from 1 to 600 seconds")]
    public int ImportSecondsMax { get; init; } = 30;

    /// <summary>How long an aggregate may take before it is refused, in seconds. Default 30.</summary>
    [Range(1, 600, ErrorMessage = "Usage__QuerySecondsMax must be from 1 to 600 seconds")]
    public int QuerySecondsMax { get; init; } = 30;

    /// <summary>
    /// Questions about the past that this instance asks its database at once, each through a connection that it keeps for them beside those of <see cref="Postgres"/>: aggregates,
    /// events, batches, reports, proofs, lengths. Default 8. Others wait, as long as for a look-up.
    /// </summary>
    [Range(1, 100, ErrorMessage = "Usage__QueriesMax must be from 1 to 100")]
    public int QueriesMax { get; init; } = 8;

    /// <summary>Likewise of one caller, by his key: half of them. Default 4. Where nobody is asked for a key all callers are one, and only <see cref="QueriesMax"/> holds.</summary>
    [Range(1, 100, ErrorMessage = "Usage__QueriesPerCallerMax must be from 1 to 100")]
    public int QueriesPerCallerMax { get; init; } = 4;

    /// <summary>Streams of runtimes that this instance carries at once. Default 1,000.</summary>
    [Range(1, 100_000, ErrorMessage = "Usage__StreamsMax must be from 1 to 100000")]
    public int StreamsMax { get; init; } = 1_000;

    /// <summary>Likewise of one caller, by his key: half of them. Default 500. Where nobody is asked for a key all callers are one, and only <see cref="StreamsMax"/> holds.</summary>
    [Range(1, 100_000, ErrorMessage = "Usage__StreamsPerCallerMax must be from 1 to 100000")]
    public int StreamsPerCallerMax { get; init; } = 500;

    /// <summary>Frames that one stream may send in a second, over any two seconds. Default 1,000,000.</summary>
    [Range(1, 100_000_000, ErrorMessage = "Usage__FramesPerSecondMax must be from 1 to 100000000")]
    public int FramesPerSecondMax { get; init; } = 1_000_000;

    /// <summary>Calls that this instance answers at once, streams of runtimes, watched balances and customers' calls aside. Default 5,000.</summary>
    [Range(1, 1_000_000, ErrorMessage = "Usage__CallsMax must be from 1 to 1000000")]
    public int CallsMax { get; init; } = 5_000;

    /// <summary>Likewise of one caller, by his key: half of them. Default 2,500. Where nobody is asked for a key all callers are one, and only <see cref="CallsMax"/> holds.</summary>
    [Range(1, 1_000_000, ErrorMessage = "Usage__CallsPerCallerMax must be from 1 to 1000000")]
    public int CallsPerCallerMax { get; init; } = 2_500;

    /// <summary>Calls of customers' keys, all together, that this instance answers at once. Default 1,000.</summary>
    [Range(1, 1_000_000, ErrorMessage = "Usage__CustomerCallsMax must be from 1 to 1000000")]
    public int CustomerCallsMax { get; init; } = 1_000;

    /// <summary>Likewise of one customer's key. Default 100.</summary>
    [Range(1, 1_000_000, ErrorMessage = "Usage__CallsPerCustomerMax must be from 1 to 1000000")]
    public int CallsPerCustomerMax { get; init; } = 100;

    /// <summary>Calls that this instance begins in a second, over any two seconds. Default 200,000: more than one instance can answer.</summary>
    [Range(1, 100_000_000, ErrorMessage = "Usage__CallsPerSecondMax must be from 1 to 100000000")]
    public int CallsPerSecondMax { get; init; } = 200_000;

    /// <summary>Connections that this instance keeps open, on both ports together; one more is closed at once. Default 20,000.</summary>
    [Range(1, 1_000_000, ErrorMessage = "Usage__ConnectionsMax must be from 1 to 1000000")]
    public int ConnectionsMax { get; init; } = 20_000;

    /// <summary>Balances that this instance lets clients watch at once. Default 10,000.</summary>
    [Range(1, 1_000_000, ErrorMessage = "Usage__WatchersMax must be from 1 to 1000000")]
    public int WatchersMax { get; init; } = 10_000;

    /// <summary>Likewise of one caller, by his key. Default 1,000. Where nobody is asked for a key all callers are one, and only <see cref="WatchersMax"/> holds.</summary>
    [Range(1, 1_000_000, ErrorMessage = "Usage__WatchersPerCallerMax must be from 1 to 1000000")]
    public int WatchersPerCallerMax { get; init; } = 1_000;

    /// <summary>How long a balance is watched before the client has to open the watch again, in seconds. Default 3,600.</summary>
    [Range(1, 86_400, ErrorMessage = "Usage__WatchSecondsMax must be from 1 to 86400 seconds")]
    public int WatchSecondsMax { get; init; } = 3_600;

    /// <summary>Least time between two balances of a watcher, in milliseconds. Default 250: at most four a second.</summary>
    [Range(10, 60_000, ErrorMessage = "Usage__WatchIntervalMs must be from 10 to 60000 milliseconds")]
    public int WatchIntervalMs { get; init; } = 250;

    /// <summary>Whether thresholds of caps per conversation are announced too. Default false: there may be three messages for each conversation.</summary>
    public bool AnnounceConversations { get; init; }

    internal TimeSpan LookupWait => TimeSpan.FromSeconds(UnaryWaitSecondsMax);

    internal MeterLimits Limits => new(ChunkTokens, GrantTokensMax, TimeSpan.FromSeconds(LeaseSeconds), GenerationsPerSubscriptionMax) { AnnounceConversations = AnnounceConversations };
}
