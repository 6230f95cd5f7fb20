using System.Net;
using System.Net.Sockets;

namespace LocalServers;

/// <summary>Asks whether a broker listens, by the first words of its protocol.</summary>
internal static class AmqpListener
{
    /// <summary>True when the listener answers the protocol header with a method frame (Connection.Start), as AMQP 0-9-1 says.</summary>
    internal static async Task<bool> AnswersAsync(IPAddress host, int port, CancellationToken cancel)
    {
        const byte methodFrame = 1;
        using var patience = CancellationTokenSource.CreateLinkedTokenSource(cancel);
        patience.CancelAfter(TimeSpan.FromSeconds(5));
        try
        {
            using var client = new TcpClient();
            await client.ConnectAsync(host, port, patience.Token);
            await client.GetStream().WriteAsync("AMQP\0\0\u0009\u0001"u8.ToArray(), patience.Token);
            var answer = new byte[1];
            return await client.GetStream().ReadAsync(answer, patience.Token) == 1 && answer[0] == methodFrame;
        }
        catch (Exception error) when (error is SocketException or IOException || (error is OperationCanceledException && !cancel.IsCancellationRequested))
        {
            return false;
        }
    }
}
