using System.Globalization;
using PlanDesign;

namespace Cli.Demo;

/// <summary>One observed conversation: tokens the model read and tokens it generated until the user was answered.</summary>
public readonly record struct ObservedConversation(int ContextTokens, int GeneratedTokens);

/// <summary>
/// Conversations from a file in the form of the Azure LLM inference traces: TIMESTAMP,ContextTokens,GeneratedTokens, one
/// conversation a line; or made up, where no file is given.
/// </summary>
public static class ConversationTrace
{
    private const string Header = "TIMESTAMP,ContextTokens,GeneratedTokens";
    private const int ContextTokensMax = 1_000_000;

    /// <summary>As many as a market may have.</summary>
    public const int ConversationsMax = MarketLimits.ObservationsMax;

    /// <exception cref="UserException">The file is missing, empty, or has a line that is not a conversation; the message names the line and what was expected.</exception>
    public static IReadOnlyList<ObservedConversation> Read(string path)
    {
        if (!File.Exists(path)) throw new UserException($"{path}: no such file; give a trace with the header {Header}");
        var conversations = new List<ObservedConversation>();
        var number = 0;
        try
        {
            foreach (var line in File.ReadLines(path))
            {
                number++;
                if (number == 1 && !line.TrimStart('\uFEFF').TrimEnd().Equals(Header, StringComparison.OrdinalIgnoreCase))
                    throw new UserException($"{path}, line 1: expected the header {Header}");
                if (number == 1 || string.IsNullOrWhiteSpace(line)) continue;
                if (conversations.Count == ConversationsMax) throw new UserException($"{path}: more than {ConversationsMax:N0} conversations; take a sample");
                conversations.Add(Parse(path, number, line));
            }
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new UserException($"{path}: cannot be read: {e.Message}");
        }
        return conversations.Count > 0 ? conversations : throw new UserException($"{path}: no conversations; expected lines under the header {Header}");
    }

    private static ObservedConversation Parse(string path, int number, string line)
    {
        var fields = line.Split(',');
        if (fields.Length != 3) throw new UserException($"{path}, line {number}: expected 3 fields ({Header}), found {fields.Length}");
        // A longer answer than the longest cap that a menu may have cannot be sold.
        return new(Tokens(fields[1], 0, ContextTokensMax, "ContextTokens"), Tokens(fields[2], 1, MarketLimits.CapTokensMax, "GeneratedTokens"));

        int Tokens(string text, int least, int most, string field) =>
            int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var tokens) && tokens >= least && tokens <= most
                ? tokens
                : throw new UserException($"{path}, line {number}: {field} is '{text}', expected a whole number from {least} to {most:N0}");
    }

    /// <summary>
    /// A market that needs no file: lengths log-normal around 190 generated tokens, as chat services report them, cut at 1,200. The same
    /// conversations every time.
    /// </summary>
    public static IReadOnlyList<ObservedConversation> Synthetic(int count = 10_000)
    {
        var random = new Random(2510_09859);
        return [.. Enumerable.Range(0, count).Select(_ => new ObservedConversation(
            (int)Math.Clamp(Math.Exp(6.2 + 1.0 * Normal(random)), 8, 8_000),
            (int)Math.Clamp(Math.Exp(5.25 + 0.65 * Normal(random)), 5, 1_200)))];
    }

    // Box and Muller.
    private static double Normal(Random random) =>
        Math.Sqrt(-2 * Math.Log(1 - random.NextDouble())) * Math.Cos(2 * Math.PI * random.NextDouble());
}
