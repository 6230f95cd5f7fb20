using System.Text.Json;

namespace Usage.Imports;

/// <summary>Two members of one name are two meanings, and JSON has no rule that says which is meant: neither is to be billed.</summary>
public static class MemberNames
{
    public const string NoText = "a member's name is no text";
    private const int SaidMax = 64;

    /// <summary>What is wrong with the names in this value, however deep; null if nothing is.</summary>
    public static string? Fault(JsonElement json)
    {
        if (json.ValueKind == JsonValueKind.Array) return json.EnumerateArray().Select(Fault).FirstOrDefault(fault => fault is not null);
        if (json.ValueKind != JsonValueKind.Object) return null;
        var names = new HashSet<string>(StringComparer.Ordinal);
        foreach (var member in json.EnumerateObject())
        {
            if (NameOf(member) is not { } name) return NoText;
            if (!names.Add(name)) return $"the member {(name.Length <= SaidMax ? name : name[..SaidMax])} stands twice in one object";
            if (Fault(member.Value) is { } within) return within;
        }
        return null;
    }

    /// <summary>Null if it is no text: half a character, as "\ud800" escapes it, is JSON all the same.</summary>
    private static string? NameOf(JsonProperty member)
    {
        try { return member.Name; }
        catch (InvalidOperationException) { return null; }
    }
}
