using Microsoft.Extensions.AI;

namespace RuntimeClient.Chat;

/// <summary>
/// What a provider counts while it streams. Providers say totals, once at the end (OpenAI), at the beginning and the end (Anthropic), or with
/// every update (vLLM's continuous_usage_stats): of one response, what was said last replaces what was said before, and what was left out, or
/// said to be 0, does not. Only a count of output that falls cannot be a total: then its provider says increments, and they are added. Several
/// responses in one stream (a loop of tool calls below this client) are added too, told apart by their ids: without ids, totals of a second one look
/// like increments.
/// </summary>
internal sealed class ProviderCounts
{
    private readonly Dictionary<string, Response> _responses = new(StringComparer.Ordinal);

    public void Take(ChatResponseUpdate update)
    {
        foreach (var content in update.Contents)
        {
            if (content is not UsageContent { Details: var usage }) continue;
            var id = update.ResponseId ?? "";
            if (!_responses.TryGetValue(id, out var response)) _responses.Add(id, response = new());
            response.Take(usage);
        }
    }

    /// <summary>Null if nothing was counted.</summary>
    public UsageDetails? Total()
    {
        if (_responses.Count == 1) return _responses.Values.Single().Total();
        UsageDetails? total = null;
        foreach (var response in _responses.Values) (total ??= new()).Add(response.Total());
        return total;
    }

    private sealed class Response
    {
        private UsageDetails _prompt = new(), _output = new();
        private long _added, _addedReasoning;
        private bool _adds;

        public void Take(UsageDetails usage)
        {
            if (usage.InputTokenCount > 0 || usage.CachedInputTokenCount > 0 || usage.AdditionalCounts?.Values.Any(count => count > 0) == true || _prompt.InputTokenCount is null) _prompt = usage;
            // A model that still thinks has no output yet, and its reasoning may be counted beside it.
            if (usage.OutputTokenCount is not > 0 && (_output.OutputTokenCount > 0 || (usage.ReasoningTokenCount ?? 0) < (_output.ReasoningTokenCount ?? 0))) return;
            _adds |= usage.OutputTokenCount > 0 && usage.OutputTokenCount < _output.OutputTokenCount;
            _added += usage.OutputTokenCount ?? 0;
            _addedReasoning += usage.ReasoningTokenCount ?? 0;
            _output = usage;
        }

        public UsageDetails Total()
        {
            if (!_adds && ReferenceEquals(_prompt, _output)) return _output;
            return new()
            {
                InputTokenCount = _prompt.InputTokenCount,
                CachedInputTokenCount = _prompt.CachedInputTokenCount,
                AdditionalCounts = _prompt.AdditionalCounts,
                OutputTokenCount = _adds ? _added : _output.OutputTokenCount,
                ReasoningTokenCount = _adds ? _addedReasoning : _output.ReasoningTokenCount,
            };
        }
    }
}
