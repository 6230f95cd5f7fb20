namespace Usage.Caps;

/// <summary>
/// What an owner has forgotten while somebody had read the tables and not yet taken his turn. What he read of it may be older than what the
/// owner knew, and has to be read again. Beyond so much it is not told apart any more: then whatever was read before is too old.
/// </summary>
internal sealed class RecentlyForgotten
{
    private const int ToldApartMax = 1_000;
    private readonly Dictionary<Guid, long> _generations = [];
    private readonly Dictionary<string, long> _conversations = new(StringComparer.Ordinal);
    private long _allBefore;

    /// <summary>How often something was forgotten: who begins to read now knows all of that.</summary>
    public long Count { get; private set; }

    public void Add(Generation generation)
    {
        Add(generation.Conversation.Name);
        _generations[generation.Id] = Count;
    }

    public void Add(string conversation)
    {
        if (_generations.Count >= ToldApartMax || _conversations.Count >= ToldApartMax)
        {
            Clear();
            _allBefore = Count;
        }
        _conversations[conversation] = ++Count;
    }

    public bool Has(Guid generation, long since) => since < _allBefore || _generations.GetValueOrDefault(generation) > since;

    public bool Has(string conversation, long since) => since < _allBefore || _conversations.GetValueOrDefault(conversation) > since;

    /// <summary>Nobody has read anything that he has not used.</summary>
    public void Clear()
    {
        _generations.Clear();
        _conversations.Clear();
    }
}
