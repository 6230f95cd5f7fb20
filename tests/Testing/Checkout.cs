namespace Testing;

/// <summary>The checkout that the tests were built from: its documents and rules are what they hold the code to.</summary>
public static class Checkout
{
    public static string Root { get; } = Find();

    private static string Find()
    {
        for (var folder = AppContext.BaseDirectory; folder is not null; folder = Path.GetDirectoryName(folder))
            if (File.Exists(Path.Combine(folder, "Billing.sln"))) return folder;
        throw new InvalidOperationException($"no Billing.sln above {AppContext.BaseDirectory}");
    }
}
