using System.ClientModel;
using System.ClientModel.Primitives;
using System.Text.Json.Nodes;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.AI;
using Microsoft.Extensions.Logging;
using OpenAI;

namespace RuntimeClient.Tests;

/// <summary>
/// A model behind a real HTTP server that speaks the chat completions protocol, streamed and whole. It answers with as many tokens as it is
/// asked for in the prompt, one in each event unless told otherwise, reports usage as such providers do, and knows how many it generated.
/// </summary>
public sealed class StreamedModel : IAsyncDisposable
{
    public const int Cached = 3, Prompt = 10, Reasoned = 20;
    private readonly WebApplication _app;
    private int _generated;

    private StreamedModel(WebApplication app) => _app = app;

    public int Generated => _generated;

    /// <summary>The limit of the last request.</summary>
    public int? MaxTokens { get; private set; }

    /// <summary>The connection breaks after so many tokens.</summary>
    public int? FailsAfter { get; set; }

    /// <summary>It generates on, whatever limit it was told.</summary>
    public bool IgnoresLimit { get; set; }

    /// <summary>Every event says what there is so far, as vLLM does when it is asked to.</summary>
    public bool CountsInEveryEvent { get; set; }

    /// <summary>Visible tokens in one event, as many providers send them.</summary>
    public int TokensPerEvent { get; set; } = 1;

    /// <summary>It says nothing of usage.</summary>
    public bool CountsNothing { get; set; }

    /// <summary>Between two tokens of a stream.</summary>
    public TaskCompletionSource? WaitsFor { get; set; }

    public static async Task<StreamedModel> StartAsync()
    {
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.WebHost.UseUrls("http://127.0.0.1:0");
        var app = builder.Build();
        var model = new StreamedModel(app);
        app.MapPost("/v1/chat/completions", model.CompleteAsync);
        await app.StartAsync();
        return model;
    }

    /// <summary>As any application would open it.</summary>
    public IChatClient Client() => new OpenAIClient(new ApiKeyCredential("none"), new() { Endpoint = new($"{_app.Urls.Single()}/v1"), RetryPolicy = new ClientRetryPolicy(0) }).GetChatClient("small-model").AsIChatClient();

    public ValueTask DisposeAsync() => _app.DisposeAsync();

    private async Task CompleteAsync(HttpContext context)
    {
        var request = (await JsonNode.ParseAsync(context.Request.Body))!;
        MaxTokens = (int?)(request["max_completion_tokens"] ?? request["max_tokens"]);
        var wanted = int.Parse(Text(request["messages"]!.AsArray()[^1]!["content"]!), System.Globalization.CultureInfo.InvariantCulture);
        var tokens = IgnoresLimit ? wanted : Math.Min(wanted, MaxTokens ?? wanted);
        var finish = tokens < wanted ? "length" : "stop";
        if (request["stream"] is null || !(bool)request["stream"]!)
        {
            _generated += tokens;
            await context.Response.WriteAsJsonAsync(new
            {
                id = "c", @object = "chat.completion", created = 1, model = "small-model",
                choices = new[] { new { index = 0, finish_reason = finish, message = new { role = "assistant", content = string.Concat(Enumerable.Repeat("word ", tokens)) } } },
                usage = CountsNothing ? null : Usage(tokens),
            });
            return;
        }
        context.Response.ContentType = "text/event-stream";
        for (var token = 0; token < tokens; token++)
        {
            if (token == FailsAfter) { context.Abort(); return; }
            Interlocked.Increment(ref _generated);
            // Reasoning comes first, and is not shown: such providers send nothing for it.
            if (token < Reasoned || ((token + 1 - Reasoned) % TokensPerEvent != 0 && token + 1 < tokens)) continue;
            var words = (token - Reasoned) % TokensPerEvent + 1;
            await SendAsync(Event(new { content = string.Concat(Enumerable.Repeat("word ", words)) }, null, CountsInEveryEvent ? Usage(token + 1) : null));
            if (WaitsFor is { } gate) await gate.Task.WaitAsync(context.RequestAborted);
        }
        await SendAsync(Event(new { }, finish));
        if (!CountsNothing) await SendAsync(new { id = "c", @object = "chat.completion.chunk", created = 1, model = "small-model", choices = Array.Empty<object>(), usage = Usage(tokens) });
        await context.Response.WriteAsync("data: [DONE]\n\n");

        async Task SendAsync(object data)
        {
            await context.Response.WriteAsync($"data: {System.Text.Json.JsonSerializer.Serialize(data)}\n\n", context.RequestAborted);
            await context.Response.Body.FlushAsync(context.RequestAborted);
        }
    }

    private static object Event(object delta, string? finish, object? usage = null) =>
        new { id = "c", @object = "chat.completion.chunk", created = 1, model = "small-model", choices = new[] { new { index = 0, delta, finish_reason = finish } }, usage };

    private static object Usage(int tokens) => new
    {
        prompt_tokens = Prompt, completion_tokens = tokens, total_tokens = Prompt + tokens,
        prompt_tokens_details = new { cached_tokens = Cached }, completion_tokens_details = new { reasoning_tokens = Math.Min(Reasoned, tokens) },
    };

    private static string Text(JsonNode content) => content is JsonArray parts ? (string)parts[0]!["text"]! : (string)content!;
}
