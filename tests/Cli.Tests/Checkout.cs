namespace Cli.Tests;

/// <summary>The checkout that these tests were built from: its documentation is what they hold the commands to.</summary>
internal static class Checkout
{
    public static string Root { get; } = Above(AppContext.BaseDirectory);

    private static string Above(string folder) => File.Exists(Path.Combine(folder, "Billing.sln")) ? folder : Above(Directory.GetParent(folder)!.FullName);
}
