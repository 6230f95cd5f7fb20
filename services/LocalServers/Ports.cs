using System.Net;
using System.Net.Sockets;

namespace LocalServers;

public static class Ports
{
    // Below the ports that systems lend to outgoing connections (Linux from 32,768, others from 49,152): one of those may be lent again
    // the moment after it was found free.
    private const int From = 10_000, To = 32_000;

    private static readonly HashSet<int> Given = [];

    /// <summary>
    /// As many different loopback ports, free at this moment, as asked for, found at random. No port is given twice by one process: a server that
    /// is down for a while still has its own. Between this answer and the caller's use another process may take one, which is unlikely:
    /// whoever can start its server again on another does.
    /// </summary>
    public static int[] Free(int count)
    {
        var listeners = new List<TcpListener>(count);
        try
        {
            while (listeners.Count < count)
            {
                var listener = new TcpListener(IPAddress.Loopback, Random.Shared.Next(From, To));
                try
                {
                    listener.Start();
                    bool isNew;
                    lock (Given) isNew = Given.Add(PortOf(listener));
                    if (isNew) listeners.Add(listener);
                    else listener.Dispose();
                }
                catch (SocketException e) when (e.SocketErrorCode is SocketError.AddressAlreadyInUse or SocketError.AccessDenied)
                {
                    listener.Dispose();
                }
            }
            return [.. listeners.Select(PortOf)];
        }
        finally
        {
            foreach (var listener in listeners) listener.Dispose();
        }
    }

    private static int PortOf(TcpListener listener) => ((IPEndPoint)listener.LocalEndpoint).Port;
}
