using System.Globalization;
using System.Runtime.CompilerServices;

namespace Billing.Tests;

/// <summary>
/// The services have no culture (InvariantGlobalization); whoever references billing's pure code elsewhere may have one. So every test here runs in one that writes numbers and times in another way than the invariant one, and what
/// is rated, printed or said must come out the same: the minus sign is that of sv-SE, nb-NO and fi-FI, the rest is of several.
/// </summary>
internal static class AnotherCulture
{
    [ModuleInitializer]
    internal static void Begin()
    {
        var culture = (CultureInfo)CultureInfo.InvariantCulture.Clone();
        culture.NumberFormat.NegativeSign = "\u2212";
        culture.NumberFormat.NumberDecimalSeparator = culture.NumberFormat.CurrencyDecimalSeparator = culture.NumberFormat.PercentDecimalSeparator = ",";
        culture.NumberFormat.NumberGroupSeparator = culture.NumberFormat.CurrencyGroupSeparator = culture.NumberFormat.PercentGroupSeparator = "\u00A0";
        culture.DateTimeFormat.DateSeparator = culture.DateTimeFormat.TimeSeparator = ".";
        culture.DateTimeFormat.ShortDatePattern = "d.M.yyyy";
        culture.DateTimeFormat.LongTimePattern = culture.DateTimeFormat.ShortTimePattern = "H.mm.ss";
        CultureInfo.DefaultThreadCurrentCulture = CultureInfo.DefaultThreadCurrentUICulture = CultureInfo.CurrentCulture = CultureInfo.CurrentUICulture = culture;
    }
}
