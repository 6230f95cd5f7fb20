using System.Collections.Concurrent;
using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging;

namespace Billing.Host.Tests;

/// <summary>What a receiver got.</summary>
public sealed record ReceivedWebhook(string Id, string Timestamp, string Signature, string ContentType, byte[] Body)
{
    public JsonElement Event { get; } = JsonDocument.Parse(Body).RootElement;
    public string Type => Event.GetProperty("type").GetString()!;
    public string Subject => Event.GetProperty("subject").GetString()!;

    /// <summary>By the words of the Standard Webhooks specification, without any code of billing's.</summary>
    public bool IsSignedWith(string secret) => Signature.Split(' ').Contains("v1," + Convert.ToBase64String(HMACSHA256.HashData(
        Convert.FromBase64String(secret["whsec_".Length..]), Encoding.UTF8.GetBytes(string.Create(CultureInfo.InvariantCulture, $"{Id}.{Timestamp}.{Encoding.UTF8.GetString(Body)}")))));
}

/// <summary>Somebody else's HTTP server: each path of it is an endpoint, and answers as a test says.</summary>
public sealed class WebhookReceiver : IAsyncDisposable
{
    private readonly WebApplication _app;
    private readonly ConcurrentDictionary<string, ConcurrentQueue<ReceivedWebhook>> _received = new();
    private readonly ConcurrentDictionary<string, Func<ReceivedWebhook, HttpResponse, Task>> _answers = new();

    private WebhookReceiver(WebApplication app) => _app = app;

    public string Address => _app.Urls.First();

    public static async Task<WebhookReceiver> StartAsync(string address = "http://127.0.0.1:0")
    {
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.WebHost.UseUrls(address);
        var receiver = new WebhookReceiver(builder.Build());
        receiver._app.Run(receiver.Take);
        await receiver._app.StartAsync();
        return receiver;
    }

    /// <summary>What came to a path, in the order of its coming.</summary>
    public IReadOnlyList<ReceivedWebhook> At(string path) => [.. _received.GetOrAdd(path, _ => [])];

    /// <summary>From now on; what nobody said anything about is taken.</summary>
    public void Answer(string path, Func<ReceivedWebhook, HttpResponse, Task> answer) => _answers[path] = answer;

    public void Answer(string path, int status) => Answer(path, (_, response) =>
    {
        response.StatusCode = status;
        return Task.CompletedTask;
    });

    public ValueTask DisposeAsync() => _app.DisposeAsync();

    private async Task Take(HttpContext context)
    {
        var (request, path) = (context.Request, context.Request.Path.Value!);
        using var body = new MemoryStream();
        await request.Body.CopyToAsync(body);
        var received = new ReceivedWebhook(request.Headers["webhook-id"]!, request.Headers["webhook-timestamp"]!, request.Headers["webhook-signature"]!, request.ContentType!, body.ToArray());
        _received.GetOrAdd(path, _ => []).Enqueue(received);
        if (_answers.TryGetValue(path, out var answer)) await answer(received, context.Response);
    }
}
