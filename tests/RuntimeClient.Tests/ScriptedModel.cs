using System.Runtime.CompilerServices;
using Microsoft.Extensions.AI;

namespace RuntimeClient.Tests;

/// <summary>A model that says what it is given to say, update by update: for shapes of usage that no provider at hand has. Whole it is the same, counted once.</summary>
public sealed class ScriptedModel(UsageDetails? usage, params AIContent[] contents) : IChatClient
{
    public Task<ChatResponse> GetResponseAsync(IEnumerable<ChatMessage> messages, ChatOptions? options = null, CancellationToken cancellationToken = default) =>
        Task.FromResult(new ChatResponse(new ChatMessage(ChatRole.Assistant, [.. contents])) { Usage = usage, FinishReason = ChatFinishReason.Stop });

    public async IAsyncEnumerable<ChatResponseUpdate> GetStreamingResponseAsync(
        IEnumerable<ChatMessage> messages, ChatOptions? options = null, [EnumeratorCancellation] CancellationToken cancellationToken = default)
    {
        foreach (var content in contents)
        {
            await Task.Yield();
            cancellationToken.ThrowIfCancellationRequested();
            yield return new(ChatRole.Assistant, [content]);
        }
        yield return new(ChatRole.Assistant, usage is null ? [] : [new UsageContent(usage)]) { FinishReason = ChatFinishReason.Stop };
    }

    public object? GetService(Type serviceType, object? serviceKey = null) => null;

    public void Dispose()
    {
    }
}
