using Marten;

namespace Billing.Host.Tests;

/// <summary>JSON as the store writes it.</summary>
internal static class StoredJson
{
    public static ISerializer Serializer()
    {
        var options = new StoreOptions();
        Hosting.EventStore.Configure(options, BillingStore.Schema);
        return options.Serializer();
    }
}
