using Microsoft.Extensions.AI;

namespace RuntimeClient.Chat;

/// <summary>
/// How many tokens an answer has: at least one for each piece of content, since a piece is a token or several, but hardly ever less; and as many
/// as its provider has counted, which knows of those that nobody is shown.
/// </summary>
internal sealed class AnswerCounts
{
    private readonly ProviderCounts _provider = new();
    private readonly Dictionary<string, (bool IsOpen, int Counts)> _responses = new(StringComparer.Ordinal);
    private Pieces _output, _reasoning;

    /// <summary>Null if the provider has counted nothing.</summary>
    public UsageDetails? Usage => _provider.Total();

    /// <summary>What nobody can doubt, without the provider.</summary>
    public (long Output, long Reasoning) Seen => (_output.Count, _reasoning.Count);

    /// <summary>What there is by now, as far as it is known: what a provider counts while it streams is a part of what it will have counted.</summary>
    public (long Output, long Reasoning) SoFar => Usage is { OutputTokenCount: not null } usage && Of(usage) is var said && said.Output + said.Reasoning > _output.Count + _reasoning.Count ? said : Seen;

    /// <summary>What there may be by now: enough to hold room for, too little to bill.</summary>
    public long Expected => Math.Max(_output.Guess + _reasoning.Guess, SoFar is var (output, reasoning) ? output + reasoning : 0);

    /// <summary>
    /// Each response was counted once, and nothing of it came afterwards: that is how much there is, even if it is less than there are pieces. What is
    /// counted on the way is a total or an increment, and one that came before the end is no last word: then the pieces stand.
    /// </summary>
    public bool IsCountedAtTheEnd => _responses.Values.All(response => response is { IsOpen: false, Counts: <= 1 });

    /// <returns>whether there is anything in it that was generated</returns>
    public bool Take(ChatResponseUpdate update)
    {
        _provider.Take(update);
        var generated = Take(update.Contents);
        var counted = update.Contents.OfType<UsageContent>().Any(usage => usage.Details.OutputTokenCount > 0);
        var (isOpen, counts) = _responses.GetValueOrDefault(update.ResponseId ?? "");
        isOpen |= generated;
        _responses[update.ResponseId ?? ""] = counted && isOpen ? (false, counts + 1) : (isOpen, counts);
        return generated;
    }

    public bool Take(IEnumerable<AIContent> contents)
    {
        var before = _output.Count + _reasoning.Count;
        foreach (var content in contents)
        {
            switch (content)
            {
                case TextReasoningContent { Text.Length: > 0 and var length }: _reasoning.Add(length); break;
                case TextContent { Text.Length: > 0 and var length }: _output.Add(length); break;
                case FunctionCallContent call: _output.Add(call.Name.Length + (call.Arguments?.Sum(a => a.Key.Length + (a.Value?.ToString()?.Length ?? 0)) ?? 0)); break;
                case DataContent: _output.Add(0); break;
                default: break;
            }
        }
        return _output.Count + _reasoning.Count > before;
    }

    /// <summary>What the provider has said, if anything.</summary>
    public (long Output, long Reasoning) Said(UsageDetails? usage) => usage is null ? default : Of(usage);

    /// <param name="usage">the provider's last word</param>
    /// <param name="interrupted">the answer did not come to its end, so that may have been its first word, too</param>
    public (long Output, long Reasoning) AtTheEnd(UsageDetails? usage, bool interrupted)
    {
        var said = Said(usage);
        return usage?.OutputTokenCount is null || (interrupted && said.Output + said.Reasoning < _output.Count + _reasoning.Count)
            ? (Math.Max(_output.Guess, said.Output), Math.Max(_reasoning.Guess, said.Reasoning))
            : said;
    }

    /// <summary>Who shows reasoning and says nothing of how much it was (Anthropic, Ollama) has counted it into the output, where it would be billed a second time.</summary>
    private (long Output, long Reasoning) Of(UsageDetails usage)
    {
        var said = DisjointKinds.Of(usage);
        if (said.Reasoning > 0 || _reasoning.Count == 0) return (said.Output, said.Reasoning);
        var reasoning = _output.Count == 0 ? said.Output : Math.Min(_reasoning.Guess, said.Output);
        return (said.Output - reasoning, reasoning);
    }

    /// <summary>Pieces of one kind, and how long they are together.</summary>
    private struct Pieces
    {
        private const int CharactersPerToken = 4;
        private long _characters;

        public long Count { get; private set; }

        /// <summary>A token has about four characters. Pieces of twice as many are several; shorter ones are words, whatever their length.</summary>
        public readonly long Guess => _characters > 2 * CharactersPerToken * Count ? (_characters + CharactersPerToken - 1) / CharactersPerToken : Count;

        public void Add(long characters) => (Count, _characters) = (Count + 1, _characters + characters);
    }
}
