namespace Cli.Demo;

/// <summary>Where the demo writes: .billing/demo in the working folder. The last run's log and export stay for reading.</summary>
public sealed class DemoFolder
{
    private DemoFolder(string root) => (Root, Path) = (root, System.IO.Path.Combine(root, "demo"));

    public string Root { get; }
    public string Path { get; }

    public static DemoFolder Create()
    {
        // The launcher says where; without it, in the working folder.
        var folder = new DemoFolder(Environment.GetEnvironmentVariable("BILLING_HOME") ?? System.IO.Path.Combine(Environment.CurrentDirectory, ".billing"));
        if (Directory.Exists(folder.Path)) Directory.Delete(folder.Path, recursive: true);
        Directory.CreateDirectory(folder.Path);
        return folder;
    }
}
