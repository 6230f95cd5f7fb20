namespace Hosting;

/// <summary>What a key lets its holder do. A method names those of which one is enough; admin is enough everywhere.</summary>
[Flags]
public enum Scope
{
    None = 0,

    /// <summary>Metering: grants, reports, imports of events, balances.</summary>
    Runtime = 1,

    /// <summary>Menus: solving, publishing, retiring, and what they were chosen and used for.</summary>
    Analyst = 2,

    /// <summary>Customers, subscriptions, agreements, invoices, payments, corrections of usage.</summary>
    Finance = 4,

    /// <summary>Reads everything that is recorded, and changes nothing.</summary>
    Auditor = 8,

    /// <summary>Reads what belongs to one customer.</summary>
    Customer = 16,

    /// <summary>What our services ask each other.</summary>
    Service = 32,

    /// <summary>Keys, parked messages, the simulated clock; and all of the above, for who makes keys can make himself any.</summary>
    Admin = 64,

    /// <summary>What a payment provider's adapter does: payments, refunds, failures, and how an invoice stands.</summary>
    Payments = 128,
}

public static class Scopes
{
    /// <summary>Every scope but admin, which need not be named.</summary>
    public const Scope Any = Scope.Runtime | Scope.Analyst | Scope.Finance | Scope.Payments | Scope.Auditor | Scope.Customer | Scope.Service;

    private static readonly Scope[] All = [Scope.Runtime, Scope.Analyst, Scope.Finance, Scope.Payments, Scope.Auditor, Scope.Customer, Scope.Service, Scope.Admin];

    /// <exception cref="FormatException">None, an unknown one, or customer together with another.</exception>
    public static Scope Parse(IEnumerable<string> names)
    {
        var scopes = Scope.None;
        foreach (var name in names) scopes |= All.FirstOrDefault(s => NameOf(s) == name) is var scope and not Scope.None ? scope : throw new FormatException($"'{name}' is not a scope: expected one or more of {Names(Any | Scope.Admin)}");
        if (scopes == Scope.None) throw new FormatException($"scopes: expected one or more of {Names(Any | Scope.Admin)}");
        return scopes == Scope.Customer || !scopes.HasFlag(Scope.Customer) ? scopes : throw new FormatException("scopes: customer stands alone; make a key of its own for the rest");
    }

    /// <summary>As text for people: "runtime, finance".</summary>
    public static string Names(this Scope scopes) => string.Join(", ", scopes.List());

    public static IEnumerable<string> List(this Scope scopes) => All.Where(s => scopes.HasFlag(s)).Select(NameOf);

    private static string NameOf(Scope scope) => scope.ToString().ToLowerInvariant();
}
