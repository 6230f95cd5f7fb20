namespace Billing.Host;

/// <summary>
/// What the ledger reads. Of all customers that is every event; of one it looks at no other's: which streams are his is looked up by the indexes of views, and what they say is read from the events.
/// $1 is the customer's id, or his account's where accounts are read, and empty of all.
/// </summary>
/// <param name="Customers">id and currency</param>
/// <param name="Accounts">events of accounts, by stream and version; like those of invoices with a place for a document behind them</param>
/// <param name="Invoices">events of invoices, by stream and version, with the document that was stored with the first of them</param>
/// <param name="InvoicesAlone">the same without documents</param>
/// <param name="ChangedPeriods">events that say when which plan held, of periods in which that changed</param>
/// <param name="PeriodsToInvoice">how many began before $2 and had no final invoice, as was known at the event $3 or the time $4, where these are not null</param>
internal sealed record LedgerQueries(string Customers, string Accounts, string Invoices, string InvoicesAlone, string ChangedPeriods, string PeriodsToInvoice)
{
    /// <summary>The view is written with every event of an invoice.</summary>
    private const string HisInvoices = "select id from billing.mt_doc_invoicestandingview where data ->> 'customerId' = $1";

    /// <summary>Periods that are open are written with their events; the view of all of them follows by a moment, and the one before an open one is named by it.</summary>
    private const string HisPeriods = """
        select p.id from billing.mt_doc_subscriptionview s join billing.mt_doc_periodview p on p.data ->> 'subscriptionId' = s.id where s.data ->> 'customerId' = $1
        union
        select unnest(array[p.id, p.data ->> 'previousPeriodId']) from billing.mt_doc_subscriptionview s join billing.mt_doc_periodtoclose p on p.data ->> 'subscriptionId' = s.id where s.data ->> 'customerId' = $1
        """;

    public static LedgerQueries All { get; } = Among(
        "$1 = ''", "$1 = '' and starts_with(stream_id, 'acct_')", "$1 = '' and starts_with(e.stream_id, 'inv_')",
        "$1 = '' and stream_id in (select stream_id from billing.mt_events where type in ('period_plan_changed', 'period_plan_ended'))", "$1 = ''");

    public static LedgerQueries OfCustomer { get; } = Among(
        "stream_id = $1", "stream_id = $1", $"e.stream_id in ({HisInvoices})",
        $"stream_id in (select data ->> 'periodId' from billing.mt_events where type = 'invoice_finalized' and stream_id in ({HisInvoices}))", $"stream_id in ({HisInvoices} union {HisPeriods})");

    /// <param name="customerId">empty for all</param>
    public static LedgerQueries For(string customerId) => customerId.Length == 0 ? All : OfCustomer;

    private static LedgerQueries Among(string customers, string accounts, string invoices, string changed, string known) => new(
        $"select stream_id, data ->> 'currency' from billing.mt_events where type = 'customer_created' and {customers}",
        $"select {EventRows.Columns}, null from billing.mt_events where {accounts} and type <> 'tombstone' order by stream_id, version",
        $"""
        select e.stream_id, e.version, e.seq_id, e.type, e.data, d.data ->> 'document'
        from billing.mt_events e left join billing.mt_doc_storedinvoice d on d.id = e.stream_id and e.type = 'invoice_finalized'
        where {invoices} and e.type <> 'tombstone' order by e.stream_id, e.version
        """,
        $"select {EventRows.Columns}, null from billing.mt_events e where {invoices} and type <> 'tombstone' order by stream_id, version",
        $"select {EventRows.Columns} from billing.mt_events where type in ('period_opened', 'period_plan_changed', 'period_plan_ended') and {changed} order by stream_id, version",
        $"""
        with known as (
            select stream_id, type, data, version from billing.mt_events
            where type in ('period_opened', 'period_plan_changed', 'period_plan_ended', 'invoice_finalized') and {known}
              and ($3::bigint is null or seq_id <= $3) and ($4::timestamptz is null or (data ->> 'at')::timestamptz <= $4))
        select count(*) from known o
        where o.type = 'period_opened' and (o.data ->> 'start')::timestamptz < $2 and (o.data ->> 'ended') is distinct from 'true'
          and not exists (select from known f where f.type = 'invoice_finalized' and f.data ->> 'periodId' = o.stream_id)
          and not exists (select from known p where p.type = 'period_plan_ended' and p.stream_id = o.stream_id and (p.data ->> 'from')::timestamptz <= (o.data ->> 'start')::timestamptz)
          and exists (select from known s where s.stream_id = o.stream_id and s.type in ('period_opened', 'period_plan_changed') and (s.data ->> 'paused') is distinct from 'true'
            and not exists (select from known l where l.stream_id = s.stream_id and l.type = 'period_plan_changed' and l.version > s.version
              and (l.data ->> 'from')::timestamptz <= coalesce(s.data ->> 'from', s.data ->> 'start')::timestamptz))
        """);
}
