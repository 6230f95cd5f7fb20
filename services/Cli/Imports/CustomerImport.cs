using System.Globalization;
using Billing;
using Billing.Accounts;
using Billing.Customers;
using Billing.Menus;
using Billing.Subscriptions;
using Contracts.Billing.V1;
using Google.Protobuf.WellKnownTypes;
using MenuTerms = Contracts.Billing.V1.MenuTerms;
using Wire = Billing.Host.Wire;

namespace Cli.Imports;

/// <summary>
/// What one row asks of billing. A new customer's id is derived from its reference, and every other id from the customer's; a customer that is there is found by its
/// reference. So whatever was done of a row before, or is done by another import at the same time, is recognised and not done twice.
/// </summary>
/// <param name="Currency">of the customer</param>
/// <param name="IsNew">false where a customer has this reference already</param>
/// <param name="Customer">null on every row of a customer but its first</param>
public sealed record CustomerImport(
    ImportRow Row, string Currency, bool IsNew, CreateCustomerRequest? Customer, RecordCustomerDetailsRequest? Details, SetCustomerTaxRequest? Tax, SetCustomerTimeZoneRequest? TimeZone,
    Asked<SubscribeRequest>? Subscription, Asked<GrantMoneyCreditRequest>? Credit, Asked<GrantTokenCreditRequest>? Prepaid);

/// <param name="IsThere">billing has it already: nothing is asked of it</param>
public sealed record Asked<T>(T Request, bool IsThere);

/// <summary>Reads rows into requests, and names everything that billing would refuse of them: it asks the decisions that billing asks, on what billing has.</summary>
/// <param name="menu">whose plans rows name; null where none was given</param>
/// <param name="updates">whether what a customer has already of name, address, tax and time zone is written over</param>
public sealed class CustomerImportReader(StoredCustomers there, MenuTerms? menu, bool updates, DateTimeOffset now)
{
    /// <summary>What is the customer's, and the same in each of its rows.</summary>
    private static readonly string[] OfCustomer = ["currency", "name", "email", "line1", "line2", "postalCode", "city", "country", "taxId", "timeZone", "taxCountry", "taxRegion", "taxStatus"];

    private static readonly string[] OfDetails = ["name", "email", "line1", "line2", "postalCode", "city", "country", "taxId"];

    public static readonly IReadOnlyList<string> Columns =
    [
        "reference", .. OfCustomer, "subscription", "plan", "anchorDay", "trialDays", "paidUntil", "credit", "creditName", "creditExpires", "prepaidTokens", "prepaidKinds", "prepaidName", "prepaidExpires",
    ];

    private const string Grant = "crd", DefaultCreditName = "Credit brought forward", DefaultPrepaidName = "Tokens brought forward", AnySha256 = "0000000000000000000000000000000000000000000000000000000000000000";

    /// <summary>In place of one that nobody knows. An amount is not held to it.</summary>
    private static readonly Currency AnyCurrency = Currency.Parse("USD");

    private readonly Dictionary<(string Reference, string Subscription), long> _rowOf = [];
    private readonly Dictionary<string, (ImportRow Row, string Id)> _firstOf = [];

    /// <returns>the requests, or all that is wrong with the row</returns>
    public (CustomerImport? Import, IReadOnlyList<RowFault> Faults) Read(ImportRow row)
    {
        var (reference, key) = (row["reference"], row["subscription"]);
        var faults = new List<RowFault>();
        void Fault(string problem) => faults.Add(new(row.Number, reference, problem));
        void Refused(Refusal? refusal) { if (refusal is { } r) Fault(r.Detail); }

        if (reference.Length == 0) Fault("it has no reference: your own key of the customer, by which a repeat is recognised");
        else if (!_rowOf.TryAdd((reference, key), row.Number)) Fault($"row {_rowOf[(reference, key)]} has this reference{(key.Length == 0 ? "" : " and subscription")} too: of a customer's rows each names another subscription");
        var found = reference.Length == 0 ? [] : there.ByReference[reference].ToArray();
        if (found.Length > 1) Fault($"{found.Length} customers have this reference: {string.Join(", ", found.Take(3).Select(c => c.CustomerId))}");
        if (found is [{ ErasedAt: not null }]) Fault($"{found[0].CustomerId} has this reference, and its details were erased: take another reference");
        var known = found.FirstOrDefault();
        var (first, id) = _firstOf.GetValueOrDefault(reference, (row, known?.CustomerId ?? Ids.Derive(Ids.Customer, DateTimeOffset.UnixEpoch, "import", reference)));
        if (reference.Length > 0) _firstOf.TryAdd(reference, (first, id));
        var isFirst = first == row;
        foreach (var column in OfCustomer.Where(c => row.HasAny(c) && row[c] != first[c])) Fault($"its {column} is '{row[column]}', and on row {first.Number}, the first of this customer, '{first[column]}'");
        Currency? currency = Currency.TryParse(first["currency"], out var its) || Currency.TryParse(known?.Currency, out its) ? its : null;
        if (isFirst && found is [{ } other] && other.Currency != currency?.Code) Fault($"{other.CustomerId} has this reference and is billed in {other.Currency}, which cannot change");

        if (isFirst) Refused(CreateCustomerDecision.Decide(new(row["currency"], reference, now), CustomerState.Initial).Refused);
        // Where it cannot be created all the rest is looked at as if it could: everything that is wrong is named at once.
        var state = new CustomerState.Known(currency ?? AnyCurrency, reference, now);
        var account = there.Accounts.GetValueOrDefault(id, AccountState.Initial);

        // An old file must not put back what was corrected since.
        T? Unless<T>(bool isSet, Func<T?> request) where T : class => isFirst && request() is { } asked && (!isSet || updates) ? asked : null;
        var zone = Unless(known is { TimeZone.Length: > 0 }, () => TimeZone(row, id, updates ? known?.TimeZone : null, state, Refused, Fault));
        var zoneThen = ZoneThen(first.HasAny("timeZone") && (updates || known is not { TimeZone.Length: > 0 }) ? first["timeZone"] : known?.TimeZone);
        var import = new CustomerImport(
            row, currency?.Code ?? "", known is null, isFirst ? new() { CustomerId = id, Currency = row["currency"], Reference = reference } : null,
            Unless(known is { DetailsSha256.Length: > 0 }, () => Details(row, id, state, Refused)), Unless(known is { Tax: not null }, () => Tax(row, id, known?.Tax, state, Refused, Fault)),
            zone, Subscription(row, id, currency, state with { TimeZone = zoneThen }, Refused, Fault), Credit(row, id, currency, account, Refused, Fault),
            Prepaid(row, id, account, Refused, Fault));
        return faults.Count == 0 ? (import, []) : (null, faults);
    }

    private RecordCustomerDetailsRequest? Details(ImportRow row, string id, CustomerState state, Action<Refusal?> refused)
    {
        var before = there.Details.GetValueOrDefault(id);
        if (before is null ? !row.HasAny(OfDetails) : !row.Says(OfDetails)) return null;
        // All details are replaced at once: what the file does not mention stays as it is.
        string Or(string column, string? known) => row.Says(column) ? row[column] : known ?? "";
        var details = new Contracts.Billing.V1.CustomerDetails
        {
            Name = Or("name", before?.Name), Email = Or("email", before?.Email), PostalCode = Or("postalCode", before?.PostalCode), City = Or("city", before?.City), Country = Or("country", before?.Country),
            TaxId = Or("taxId", before?.TaxId),
        };
        var more = row.Says("line1") && row.Says("line2") ? [] : before?.Lines.Skip(2) ?? [];
        details.Lines.AddRange(new[] { Or("line1", before?.Lines.ElementAtOrDefault(0)), Or("line2", before?.Lines.ElementAtOrDefault(1)) }.Concat(more).Where(l => l.Length > 0));
        refused(RecordCustomerDetailsDecision.Decide(new(Wire.Details(details), AnySha256, now), state).Refused);
        return new() { CustomerId = id, Details = details };
    }

    /// <param name="before">what is written over; null where nothing is known</param>
    private SetCustomerTaxRequest? Tax(ImportRow row, string id, CustomerTax? before, CustomerState state, Action<Refusal?> refused, Action<string> fault)
    {
        if (before is null ? !row.HasAny("taxCountry", "taxRegion", "taxStatus") : !row.Says("taxCountry", "taxRegion", "taxStatus")) return null;
        string Or(string column, string? known) => row.Says(column) ? row[column] : known ?? "";
        var (country, status) = (Or("taxCountry", before?.Country), Or("taxStatus", before?.Status));
        // A region is one of its country.
        var region = Or("taxRegion", country == before?.Country ? before.Region : "");
        try
        {
            refused(SetCustomerTaxDecision.Decide(new(country, region, Wire.ParseTaxStatus(status), now), state).Refused);
        }
        catch (FormatException e)
        {
            fault($"taxStatus: {e.Message}");
        }
        return new() { CustomerId = id, Tax = new() { Country = country, Region = region, Status = status } };
    }

    /// <param name="before">what is written over; null or empty where there is none</param>
    private SetCustomerTimeZoneRequest? TimeZone(ImportRow row, string id, string? before, CustomerState state, Action<Refusal?> refused, Action<string> fault)
    {
        if (!row.HasAny("timeZone"))
        {
            if (row.Says("timeZone") && before is { Length: > 0 }) fault($"its timeZone is empty: the customer has {before}, which can be changed and not taken away");
            return null;
        }
        refused(SetCustomerTimeZoneDecision.Decide(new(row["timeZone"], now), state).Refused);
        return new() { CustomerId = id, TimeZone = row["timeZone"] };
    }

    /// <summary>By which a subscription would start. One that nobody knows was named, and is none.</summary>
    private static string ZoneThen(string? zone) => zone is { } known && BillingCalendar.Knows(known) ? known : "";

    private Asked<SubscribeRequest>? Subscription(ImportRow row, string id, Currency? currency, CustomerState customer, Action<Refusal?> refused, Action<string> fault)
    {
        int Number(string column, int max)
        {
            if (row[column].Length == 0) return 0;
            if (int.TryParse(row[column], NumberStyles.None, CultureInfo.InvariantCulture, out var n) && n >= 1 && n <= max) return n;
            fault($"{column} '{row[column]}' is not a whole number from 1 to {max}");
            return 0;
        }

        var (anchor, trial) = (Number("anchorDay", 31), Number("trialDays", SubscribeDecision.TrialDaysMax));
        DateOnly? paidUntil = null;
        try
        {
            paidUntil = Wire.ParseDay(row["paidUntil"], "paidUntil");
        }
        catch (FormatException e)
        {
            fault(e.Message);
        }
        if (!row.HasAny("plan"))
        {
            if (row.HasAny("anchorDay", "trialDays", "paidUntil")) fault("it has an anchorDay, trialDays or paidUntil, and no plan that they could be of");
            return null;
        }
        if (menu is null)
        {
            fault("it names a plan: say of which menu with --menu");
            return null;
        }
        var plans = menu.Plans.Where(p => p.PlanId == row["plan"] || p.Name == row["plan"]).ToArray();
        if (plans.Length != 1) fault($"'{row["plan"]}' is {(plans.Length == 0 ? "not a plan" : "the name of several plans")} of the menu: those are {string.Join("; ", menu.Plans.Select(p => $"{p.Name} ({p.PlanId})"))}");
        if (currency is not null && menu.Currency != currency.Code) fault($"it is billed in {currency.Code}, and the menu is priced in {menu.Currency}");
        var subscription = new SubscribeRequest
        {
            SubscriptionId = Derived(Ids.Subscription, row, id), CustomerId = id, MenuId = menu.MenuId, PlanId = plans.FirstOrDefault()?.PlanId ?? "", AnchorDay = anchor, TrialDays = trial, PaidUntil = row["paidUntil"],
        };
        if (plans.Length == 1 && currency?.Code == menu.Currency)
        {
            var asked = new Subscribe(id, menu.MenuId, plans[0].PlanId, customer, OnSale(menu), now, anchor, "", trial, paidUntil);
            var decision = SubscribeDecision.Decide(asked, there.Subscriptions.GetValueOrDefault(subscription.SubscriptionId, SubscriptionState.Initial));
            refused(decision.Refused);
            return new(subscription, IsThere(decision));
        }
        return new(subscription, IsThere: false);
    }

    /// <summary>As far as the start of a subscription looks at it.</summary>
    private static MenuState.Received OnSale(MenuTerms menu) => new(new(
        menu.MenuId, "", Currency.Parse(menu.Currency), 0, menu.Plans.Select(p => new Billing.Menus.PlanTerms(p.PlanId, p.Name, new(p.PeriodFeeMicros), [], [])).ToValueList(), [], default));

    private Asked<GrantMoneyCreditRequest>? Credit(ImportRow row, string id, Currency? currency, AccountState account, Action<Refusal?> refused, Action<string> fault)
    {
        if (!row.HasAny("credit"))
        {
            if (row.HasAny("creditName", "creditExpires")) fault("it has a creditName or creditExpires, and no credit");
            return null;
        }
        if (!Inputs.TryAmount(row["credit"], out var micros))
        {
            fault($"credit '{row["credit"]}' is not an amount such as 12.50");
            return null;
        }
        var expires = Expiry(row, "creditExpires", fault);
        var name = row.HasAny("creditName") ? row["creditName"] : DefaultCreditName;
        var grant = Derived(Grant, row, id);
        var amount = currency is null ? AnyCurrency.MinorUnit : new(micros);
        var decision = GrantCreditDecision.Decide(new GrantMoneyCredit(grant, name, amount, currency ?? AnyCurrency, 0, expires, now), account);
        refused(decision.Refused);
        return new(new() { CustomerId = id, GrantId = grant, Name = name, AmountMicros = micros, ExpiresAt = expires?.ToTimestamp() }, IsThere(decision));
    }

    private Asked<GrantTokenCreditRequest>? Prepaid(ImportRow row, string id, AccountState account, Action<Refusal?> refused, Action<string> fault)
    {
        if (!row.HasAny("prepaidTokens"))
        {
            if (row.HasAny("prepaidKinds", "prepaidName", "prepaidExpires")) fault("it has prepaidKinds, a prepaidName or prepaidExpires, and no prepaidTokens");
            return null;
        }
        if (!long.TryParse(row["prepaidTokens"], NumberStyles.None, CultureInfo.InvariantCulture, out var tokens))
        {
            fault($"prepaidTokens '{row["prepaidTokens"]}' is not a whole number such as 500000");
            return null;
        }
        var kinds = Kinds(row["prepaidKinds"], fault);
        var expires = Expiry(row, "prepaidExpires", fault);
        var name = row.HasAny("prepaidName") ? row["prepaidName"] : DefaultPrepaidName;
        var grant = Derived(Grant, row, id, "import tokens");
        var decision = GrantCreditDecision.Decide(new GrantTokenCredit(grant, name, tokens, kinds, 0, expires, now), account);
        refused(decision.Refused);
        return new(new() { CustomerId = id, GrantId = grant, Name = name, Tokens = tokens, Kinds = { kinds.Select(k => k.Name()) }, ExpiresAt = expires?.ToTimestamp() }, IsThere(decision));
    }

    private static bool IsThere<TEvent>(Decision<TEvent> decision) => decision is { Events: [], Refused: null };

    /// <summary>Names between spaces or semicolons; none are those that a cap counts.</summary>
    private static ValueList<TokenKind> Kinds(string names, Action<string> fault)
    {
        if (names.Length == 0) return Kernel.Cap.GeneratedTokens.ToValueList();
        try
        {
            return names.Split([' ', ';'], StringSplitOptions.RemoveEmptyEntries).Select(TokenNames.ParseKind).ToValueList();
        }
        catch (FormatException e)
        {
            fault($"prepaidKinds: {e.Message}");
            return Kernel.Cap.GeneratedTokens.ToValueList();
        }
    }

    private static DateTimeOffset? Expiry(ImportRow row, string column, Action<string> fault)
    {
        if (!row.HasAny(column)) return null;
        if (Inputs.TryTime(row[column], out var time)) return time;
        fault($"{column} '{row[column]}' is not a time such as 2026-01-31 or 2026-01-31T12:00:00Z");
        return null;
    }

    // By the customer and the row's own key alone: whatever else a later file says, it is the same subscription and the same credit, and billing refuses another one under its id.
    private static string Derived(string prefix, ImportRow row, string customerId, string what = "import") =>
        Ids.Derive(prefix, Ids.TimeOf(Ids.Parse(Ids.Customer, customerId)), row.HasAny("subscription") ? [what, customerId, row["subscription"]] : [what, customerId]);
}
