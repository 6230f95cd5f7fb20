using System.Globalization;
using System.Text.Json;

namespace PlanDesign.Menus;

/// <summary>
/// What is sold with the solved plans and is no part of the solution: how many conversations of a plan's cap shorter windows hold, and what tokens cost beyond
/// the period's allowance. Every plan of a menu has the same ones, so what customers choose among stays the caps and prices that were solved for. The
/// conversation's cap is always hard.
/// </summary>
/// <param name="FiveHoursConversations">Conversations' worth of tokens in five hours; null for no such window.</param>
/// <param name="WeekConversations">The same for a week.</param>
/// <param name="Overage">By kind, every kind that caps count; none where a period's allowance is hard, otherwise it is billed beyond.</param>
public sealed record SaleTerms(int? FiveHoursConversations, int? WeekConversations, IReadOnlyList<KindPrice> Overage)
{
    public static SaleTerms None { get; } = new(null, null, []);

    /// <summary>The caps of a plan as it is sold.</summary>
    public IEnumerable<Cap> CapsOf(int capTokens, int conversationsPerPeriod)
    {
        yield return Cap.Hard(CapWindow.Conversation, capTokens);
        if (FiveHoursConversations is { } five) yield return Cap.Hard(CapWindow.FiveHours, (long)capTokens * five);
        if (WeekConversations is { } week) yield return Cap.Hard(CapWindow.Week, (long)capTokens * week);
        var period = Cap.Hard(CapWindow.BillingPeriod, (long)capTokens * conversationsPerPeriod);
        yield return Overage.Count == 0 ? period : period with { Enforcement = CapEnforcement.Billed };
    }

    /// <returns>What is wrong with them; null if nothing.</returns>
    public Refusal? Check(int conversationsPerPeriod)
    {
        foreach (var (field, conversations) in new[] { ("terms.five_hours_conversations", FiveHoursConversations), ("terms.week_conversations", WeekConversations) })
            if (conversations is { } given && (given < 1 || given >= conversationsPerPeriod))
                return DraftMenuDecision.Invalid(field, $"is {given}, expected 1 to {conversationsPerPeriod - 1}: fewer than a period has");
        if (WeekConversations <= FiveHoursConversations) return DraftMenuDecision.Invalid("terms.week_conversations", $"is {WeekConversations}, expected more than the {FiveHoursConversations} of five hours");
        for (var n = 0; n < Overage.Count; n++)
        {
            var kind = Overage[n].Kind;
            if (Overage[n].Fault() is { } fault) return DraftMenuDecision.Invalid($"terms.overage[{n}].{fault.Field}", fault.Detail);
            if (!Cap.GeneratedTokens.Contains(kind))
                return DraftMenuDecision.Invalid($"terms.overage[{n}].kind", $"is {kind.Name()}, which no cap counts; expected {string.Join(" or ", Cap.GeneratedTokens.Select(k => k.Name()))}");
            if (Overage.Take(n).Any(o => o.Kind == kind)) return DraftMenuDecision.Invalid($"terms.overage[{n}].kind", $"{kind.Name()} is priced twice");
        }
        // Where a kind had no price, somebody's tokens beyond the allowance would be for nothing.
        if (Overage.Count > 0 && Cap.GeneratedTokens.FirstOrDefault(k => Overage.All(o => o.Kind != k), TokenKind.Overrun) is var unpriced and not TokenKind.Overrun)
            return DraftMenuDecision.Invalid("terms.overage", $"has no price for {unpriced.Name()}, which a period's allowance counts too: price every one of {string.Join(" and ", Cap.GeneratedTokens.Select(k => k.Name()))}");
        return null;
    }

    /// <summary>One line of JSON, always the same for the same terms; null for none.</summary>
    public static string? Write(SaleTerms terms)
    {
        if ((terms.FiveHoursConversations, terms.WeekConversations, terms.Overage.Count) == (null, null, 0)) return null;
        using var stream = new MemoryStream();
        using (var json = new Utf8JsonWriter(stream))
        {
            json.WriteStartObject();
            if (terms.FiveHoursConversations is { } five) json.WriteNumber("fiveHoursConversations", five);
            if (terms.WeekConversations is { } week) json.WriteNumber("weekConversations", week);
            if (terms.Overage.Count > 0)
            {
                json.WriteStartArray("overage");
                foreach (var price in terms.Overage.OrderBy(o => o.Kind)) price.Write(json);
                json.WriteEndArray();
            }
            json.WriteEndObject();
        }
        return System.Text.Encoding.UTF8.GetString(stream.ToArray());
    }

    /// <summary>Reads what <see cref="Write"/> wrote; null is none.</summary>
    /// <exception cref="FormatException">It is not.</exception>
    public static SaleTerms Read(string? text)
    {
        if (text is null) return None;
        try
        {
            using var document = JsonDocument.Parse(text);
            var fields = new JsonFields(document.RootElement, "terms");
            var terms = new SaleTerms(
                fields.OptionalCount("fiveHoursConversations"), fields.OptionalCount("weekConversations"),
                fields.IsGiven("overage") ? [.. fields.Objects("overage").Select(KindPrice.Read)] : []);
            fields.RefuseTheRest();
            return terms;
        }
        catch (Exception e) when (e is JsonException or InputFaultException)
        {
            throw new FormatException($"these are no terms of a menu: {e.Message}", e);
        }
    }

    /// <summary>In words, for people; none where nothing is special.</summary>
    public IEnumerable<string> Sentences()
    {
        if (FiveHoursConversations is { } five) yield return string.Create(CultureInfo.InvariantCulture, $"No more than {five:#,0} conversations' tokens in five hours.");
        if (WeekConversations is { } week) yield return string.Create(CultureInfo.InvariantCulture, $"No more than {week:#,0} conversations' tokens in a week.");
        foreach (var price in Overage) yield return $"Beyond a period's tokens: {price.Words()}.";
    }
}
