using System.Net;
using System.Net.Sockets;

namespace LocalServers;

public static class Ports
{
    /// <summary>
    /// As many different loopback ports, free at this moment, as asked for. Between this answer and the caller's use somebody else may take
    /// one: whoever starts a server on it starts again on another.
    /// </summary>
    public static int[] Free(int count)
    {
        var listeners = Enumerable.Range(0, count).Select(_ => new TcpListener(IPAddress.Loopback, 0)).ToArray();
        foreach (var listener in listeners) listener.Start();
        try
        {
            return [.. listeners.Select(listener => ((IPEndPoint)listener.LocalEndpoint).Port)];
        }
        finally
        {
            foreach (var listener in listeners) listener.Dispose();
        }
    }
}
