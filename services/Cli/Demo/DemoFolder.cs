namespace Cli.Demo;

/// <summary>Where the demo writes: .billing/demo in the working folder. The last run's log and export stay for reading. One demo at a time.</summary>
public sealed class DemoFolder : IDisposable
{
    private readonly FileStream _taken;

    private DemoFolder(string root, FileStream taken) => (Root, Path, _taken) = (root, System.IO.Path.Combine(root, "demo"), taken);

    public string Root { get; }
    public string Path { get; }

    /// <exception cref="UserException">The folder cannot be written, or another demo is being played in it.</exception>
    public static DemoFolder Take()
    {
        // The launcher says where; without it, in the working folder.
        var root = Environment.GetEnvironmentVariable("BILLING_HOME") ?? System.IO.Path.Combine(Environment.CurrentDirectory, ".billing");
        try
        {
            Directory.CreateDirectory(root);
            var folder = new DemoFolder(root, Lock(root));
            if (Directory.Exists(folder.Path)) Directory.Delete(folder.Path, recursive: true);
            Directory.CreateDirectory(folder.Path);
            return folder;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new UserException($"the demo cannot write to {root}: {e.Message} (BILLING_HOME names another folder)");
        }
    }

    public void Dispose() => _taken.Dispose();

    private static FileStream Lock(string root)
    {
        var path = System.IO.Path.Combine(root, "demo.lock");
        // The system takes the lock back from a demo that was killed.
        try
        {
            return new FileStream(path, FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.None);
        }
        catch (IOException) when (File.Exists(path))
        {
            throw new UserException($"another demo is being played in {root}: wait for its end, or name another folder with BILLING_HOME");
        }
    }
}
