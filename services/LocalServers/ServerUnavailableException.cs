namespace LocalServers;

/// <summary>A server that this machine lacks, or that did not start. The message is one line that says what to do.</summary>
public sealed class ServerUnavailableException(string message) : Exception(message)
{
    internal static ServerUnavailableException Missing(string what, string aptPackage, string brewFormula) => new(
        $"{what} is not installed on this machine; install it with: "
        + (OperatingSystem.IsMacOS() ? $"brew install {brewFormula}" : $"sudo apt-get install -y {aptPackage}"));
}
