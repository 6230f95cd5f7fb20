namespace Testing;

/// <summary>
/// The versions of a service's schema, a line each: the version, and the digest of what it makes. An older program leaves a schema of a higher version alone; of the same version it would drop
/// the columns and indexes that it does not know. So a schema that changes must get the next version.
/// </summary>
public static class PinnedSchema
{
    /// <summary>With this set the line of a new version is added.</summary>
    private const string AddVariable = "BILLING_PIN_NEW_FIELDS";

    /// <param name="file">the pinned lines, from the root of the checkout</param>
    /// <param name="constant">where the version stands, for whoever has to raise it</param>
    public static void MustHave(string file, string constant, int version, string digest)
    {
        var path = Path.Combine(Checkout.Root, file);
        string[] pinned = File.Exists(path) ? File.ReadAllLines(path) : [];
        Assert.True(pinned.Select((line, i) => line.StartsWith($"{i + 1} ", StringComparison.Ordinal)).All(inOrder => inOrder), $"{file} counts its versions from 1, a line each");
        var line = $"{version} {digest}";
        if (pinned.LastOrDefault() == line) return;
        Assert.True(version == pinned.Length + 1, $"the schema is another one than that of version {pinned.Length} in {file}: add to it only, and set {constant} to {pinned.Length + 1}");
        Assert.True(Environment.GetEnvironmentVariable(AddVariable) is { Length: > 0 }, $"version {version} of the schema is not in {file} yet: {AddVariable}=1 dotnet test adds it");
        File.AppendAllLines(path, [line]);
    }
}
