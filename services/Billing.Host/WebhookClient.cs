using System.Diagnostics;
using System.Globalization;
using System.Net;
using System.Net.Http.Headers;
using System.Net.Sockets;
using System.Text;
using Billing.Webhooks;
using Microsoft.Extensions.Options;

namespace Billing.Host;

/// <summary>What came of an attempt.</summary>
/// <param name="Outcome">delivered, refused, redirected, gone, timed_out, unreachable, address_refused or failed_here</param>
/// <param name="Status">of HTTP; 0 without an answer</param>
/// <param name="Detail">in one line that the store can hold, whatever the receiver said: at most 200 characters, and a space for each that controls</param>
public sealed record WebhookAnswer(string Outcome, int Status, string Detail, TimeSpan Took)
{
    public const string Delivered = "delivered", Refused = "refused", Redirected = "redirected", Gone = "gone", TimedOut = "timed_out", Unreachable = "unreachable", AddressRefused = "address_refused",
        FailedHere = "failed_here";

    /// <summary>What an attempt is recorded with when its own detail cannot be stored.</summary>
    public const string Unstorable = "what came of it cannot be stored; the log says why";

    private const int DetailLengthMax = 200;

    public string Detail { get; init => field = OneLine(value); } = OneLine(Detail);

    public bool IsDelivered => Outcome == Delivered;

    /// <summary>Nothing was sent, and the endpoint has no part in it.</summary>
    public bool IsOfBilling => Outcome == FailedHere;

    /// <summary>Billing could not make or sign what it was to send.</summary>
    public static WebhookAnswer Failed(Exception e) => new(FailedHere, 0, $"{e.GetType().Name}: {e.Message}", TimeSpan.Zero);

    // PostgreSQL holds neither U+0000 nor half a surrogate pair.
    private static string OneLine(string said)
    {
        var line = new StringBuilder();
        foreach (var rune in said.ReplaceLineEndings(" ").EnumerateRunes())
        {
            if (line.Length + rune.Utf16SequenceLength > DetailLengthMax) return line.Append('…').ToString();
            line.Append(Rune.IsControl(rune) ? " " : rune.ToString());
        }
        return line.ToString();
    }
}

/// <summary>
/// Sends to whatever address somebody registered, and so trusts nothing: no redirect is followed, no proxy asked, no cookie kept, no body of an answer read, and the address that is connected to is
/// looked at itself, after names were resolved, so that no name can mean one thing when it is checked and another when it is used.
/// </summary>
public sealed class WebhookClient : IDisposable
{
    private const int LocationLengthMax = 100, HeaderKilobytesMax = 16;
    private readonly ReachableNetworks _networks;
    private readonly TimeSpan _timeout;
    private readonly HttpClient _http;

    public WebhookClient(IOptions<WebhookOptions> options)
    {
        (_networks, _timeout) = (options.Value.Networks, options.Value.Timeout);
        _http = new(new SocketsHttpHandler
        {
            AllowAutoRedirect = false, UseProxy = false, UseCookies = false, ConnectCallback = Connect, ActivityHeadersPropagator = null,
            MaxResponseHeadersLength = HeaderKilobytesMax, MaxResponseDrainSize = 0, PooledConnectionLifetime = TimeSpan.FromMinutes(1),
        }) { Timeout = Timeout.InfiniteTimeSpan };
        _http.DefaultRequestHeaders.UserAgent.Add(new ProductInfoHeaderValue("billing-webhooks", "1"));
    }

    public void Dispose() => _http.Dispose();

    /// <param name="secrets">that sign, the newest first</param>
    public async Task<WebhookAnswer> Post(string url, string id, byte[] body, IReadOnlyList<string> secrets)
    {
        // Receivers hold it against their own clock: it is the real time of this attempt, whatever the business clock shows.
        var (began, timestamp) = (TimeProvider.System.GetTimestamp(), TimeProvider.System.GetUtcNow().ToUnixTimeSeconds());
        using var request = new HttpRequestMessage(HttpMethod.Post, url) { Content = new ByteArrayContent(body) };
        request.Content.Headers.ContentType = new(WebhookBody.ContentType) { CharSet = "utf-8" };
        request.Headers.Add(WebhookSignature.IdHeader, id);
        request.Headers.Add(WebhookSignature.TimestampHeader, timestamp.ToString(CultureInfo.InvariantCulture));
        request.Headers.Add(WebhookSignature.SignatureHeader, WebhookSignature.Sign(secrets, id, timestamp, body));
        using var deadline = new CancellationTokenSource(_timeout);
        // What was allowed when it was registered need not be any more.
        if (_networks.WrongWith(url) is { } wrong) return Failed(WebhookAnswer.AddressRefused, wrong);
        try
        {
            using var response = await _http.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, deadline.Token);
            var (outcome, detail) = Judge(response);
            return new(outcome, (int)response.StatusCode, detail, TimeProvider.System.GetElapsedTime(began));
        }
        catch (OperationCanceledException) when (deadline.IsCancellationRequested)
        {
            return Failed(WebhookAnswer.TimedOut, string.Create(CultureInfo.InvariantCulture, $"no answer within {_timeout.TotalSeconds:0.###} s"));
        }
        catch (HttpRequestException e)
        {
            return e.GetBaseException() is AddressRefusedException refused ? Failed(WebhookAnswer.AddressRefused, refused.Message) : Failed(WebhookAnswer.Unreachable, e.GetBaseException().Message);
        }

        WebhookAnswer Failed(string outcome, string detail) => new(outcome, 0, detail, TimeProvider.System.GetElapsedTime(began));
    }

    private static (string Outcome, string Detail) Judge(HttpResponseMessage response) => (int)response.StatusCode switch
    {
        >= 200 and < 300 => (WebhookAnswer.Delivered, ""),
        410 => (WebhookAnswer.Gone, "answered 410: it wants to hear nothing more"),
        >= 300 and < 400 and var status => (WebhookAnswer.Redirected, string.Create(CultureInfo.InvariantCulture, $"answered {status} and points to {Location(response)}: redirects are not followed, register where it is")),
        var status => (WebhookAnswer.Refused, string.Create(CultureInfo.InvariantCulture, $"answered {status}")),
    };

    private static string Location(HttpResponseMessage response) =>
        response.Headers.Location?.OriginalString is not { Length: > 0 } location ? "nothing" : location.Length <= LocationLengthMax ? location : location[..LocationLengthMax] + "…";

    private async ValueTask<Stream> Connect(SocketsHttpConnectionContext context, CancellationToken ct)
    {
        var addresses = await Dns.GetHostAddressesAsync(context.DnsEndPoint.Host, ct);
        var allowed = addresses.Where(_networks.Allows).ToArray();
        if (allowed.Length == 0) throw new AddressRefusedException(addresses.Length == 0 ? $"{context.DnsEndPoint.Host} has no address" : ReachableNetworks.Refused(addresses[0]));
        var socket = new Socket(SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
        try
        {
            await socket.ConnectAsync(allowed, context.DnsEndPoint.Port, ct);
            return new NetworkStream(socket, ownsSocket: true);
        }
        catch
        {
            socket.Dispose();
            throw;
        }
    }

    private sealed class AddressRefusedException(string message) : Exception(message);
}
