using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;

namespace PlanDesign.Menus;

/// <summary>One field of a document, or a stretch of a long list, and the SHA-256 of its JSON.</summary>
public sealed record FieldDigest(string Path, string Sha256);

/// <summary>
/// Everything that a published menu claims, in one piece: the market it was solved for, the rules, the plans, the bound and the residuals. It is
/// what is signed. Its bytes are canonical: one line of ASCII JSON, fields in a fixed order, numbers in the shortest form that reads back to
/// the same bits. What other tariffs would earn is left out: it is a comparison, not a term.
/// </summary>
public sealed record MenuDocument(
    string MenuId, string Name, Currency Currency, int ConversationsPerPeriod, IReadOnlyList<string> Models, int? PlansMax, string? Constraints,
    string Market, MenuSolved Solved, DateTimeOffset DraftedAt, string PublishedBy, DateTimeOffset PublishedAt)
{
    /// <summary>One line of JSON (<see cref="SaleTerms"/>); null for none.</summary>
    public string? Terms { get; init; }

    /// <summary>Counts up when the bytes of the same menu would change; what was signed under an earlier form stays verifiable.</summary>
    public const int Form = 1;

    /// <summary>A long list of numbers is digested in stretches, so that an altered one is named within so many.</summary>
    private const int StretchLength = 64;

    public static MenuDocument Of(string menuId, MenuDrafted drafted, MenuSolved solved, string actor, DateTimeOffset at) => new(
        menuId, drafted.Name, drafted.Currency, drafted.ConversationsPerPeriod, drafted.Models, drafted.PlansMax, drafted.Constraints, drafted.Market,
        solved, drafted.At, actor, at)
    {
        Terms = drafted.Terms,
    };

    public byte[] ToBytes()
    {
        using var stream = new MemoryStream();
        using (var json = new Utf8JsonWriter(stream))
        {
            json.WriteStartObject();
            json.WriteNumber("form", Form);
            json.WriteString("menuId", MenuId);
            json.WriteString("name", Name);
            json.WriteString("currency", Currency.Code);
            json.WriteNumber("conversationsPerPeriod", ConversationsPerPeriod);
            json.WriteStartArray("models");
            foreach (var model in Models) json.WriteStringValue(model);
            json.WriteEndArray();
            if (PlansMax is { } plansMax) json.WriteNumber("plansMax", plansMax);
            if (Constraints is not null)
            {
                json.WritePropertyName("constraints");
                json.WriteRawValue(Constraints);
            }
            if (Terms is not null)
            {
                json.WritePropertyName("terms");
                json.WriteRawValue(Terms);
            }
            json.WritePropertyName("market");
            json.WriteRawValue(Market);
            json.WriteString("exitReason", Solved.ExitReason);
            json.WriteStartArray("plans");
            foreach (var plan in Solved.Tiers) Write(json, plan);
            json.WriteEndArray();
            json.WriteNumber("profit", Solved.Profit);
            json.WriteNumber("revenue", Solved.Revenue);
            json.WriteNumber("servingCost", Solved.ServingCost);
            json.WriteNumber("profitUnlimited", Solved.ProfitUnlimited);
            json.WriteStartObject("certificate");
            json.WriteNumber("upperBound", Solved.Certificate.UpperBound);
            json.WriteNumber("gap", Solved.Certificate.Gap);
            json.WriteNumber("maxIncentiveViolation", Solved.Certificate.MaxIncentiveViolation);
            json.WriteNumber("maxParticipationViolation", Solved.Certificate.MaxParticipationViolation);
            // Absent in menus from before they were said, whose bytes stay what was signed.
            if (Solved.Certificate.UpperBoundOf is { } of) json.WriteString("upperBoundOf", of);
            if (Solved.Certificate.UpperBoundInMinorUnits is { } inUnits) json.WriteNumber("upperBoundInMinorUnits", inUnits);
            if (Solved.Certificate.UpperBoundAtTypes is { } atTypes) json.WriteNumber("upperBoundAtTypes", atTypes);
            json.WriteEndObject();
            json.WriteString("draftedAt", Time(DraftedAt));
            json.WriteString("publishedBy", PublishedBy);
            json.WriteString("publishedAt", Time(PublishedAt));
            json.WriteEndObject();
        }
        return stream.ToArray();
    }

    /// <summary>Reads a document back, whatever spacing it has.</summary>
    /// <returns>The document, or which field is missing, unknown or not what it should be.</returns>
    public static (MenuDocument? Document, InputFault? Fault) Read(JsonElement json)
    {
        try
        {
            var fields = new JsonFields(json, "menu");
            var form = fields.Count("form");
            if (form != Form) throw new InputFaultException("menu.form", $"is {form}: this version reads form {Form}");
            var plans = fields.Objects("plans").Select(ReadPlan).ToArray();
            var certificate = fields.Object("certificate");
            var currency = fields.Text("currency");
            var document = new MenuDocument(
                fields.Text("menuId"), fields.Text("name"),
                Currency.TryParse(currency, out var known) ? known : throw new InputFaultException("menu.currency", $"is {currency}, no currency known here"),
                fields.Count("conversationsPerPeriod"),
                fields.Texts("models"), fields.OptionalCount("plansMax"),
                fields.IsGiven("constraints") ? json.GetProperty("constraints").GetRawText() : null,
                fields.IsGiven("market") ? json.GetProperty("market").GetRawText() : throw new InputFaultException("menu.market", "is missing"),
                new MenuSolved(
                    fields.Text("exitReason"), plans, fields.Number("profit"), fields.Number("revenue"), fields.Number("servingCost"), fields.Number("profitUnlimited"),
                    new(certificate.Number("upperBound"), certificate.Number("gap"), certificate.Number("maxIncentiveViolation"), certificate.Number("maxParticipationViolation"))
                    {
                        UpperBoundOf = certificate.OptionalText("upperBoundOf"), UpperBoundInMinorUnits = certificate.OptionalNumber("upperBoundInMinorUnits"),
                        UpperBoundAtTypes = certificate.OptionalNumber("upperBoundAtTypes"),
                    },
                    [], TimeOf(fields, "draftedAt")),
                TimeOf(fields, "draftedAt"), fields.Text("publishedBy"), TimeOf(fields, "publishedAt"))
            {
                Terms = fields.IsGiven("terms") ? json.GetProperty("terms").GetRawText() : null,
            };
            // What nobody here reads would be signed and yet not checked.
            certificate.RefuseTheRest();
            fields.RefuseTheRest();
            return (document, null);
        }
        catch (InputFaultException e)
        {
            return (null, e.Fault);
        }
        catch (InvalidOperationException)
        {
            return (null, new("menu", "has a text that is no Unicode"));
        }
    }

    /// <summary>The digests of a document's fields in their order, by path, such as <c>plans[0].capTokens</c> or <c>market.answerTime.tokens[64…127]</c>.</summary>
    public static IReadOnlyList<FieldDigest> Digests(JsonElement document)
    {
        var digests = new List<FieldDigest>();
        Collect(document, "", digests);
        return digests;
    }

    private static void Collect(JsonElement element, string path, List<FieldDigest> digests)
    {
        if (element.ValueKind == JsonValueKind.Object && element.EnumerateObject().Any())
        {
            foreach (var field in element.EnumerateObject()) Collect(field.Value, path.Length == 0 ? field.Name : $"{path}.{field.Name}", digests);
            return;
        }
        if (element.ValueKind != JsonValueKind.Array || element.GetArrayLength() == 0)
        {
            digests.Add(new(path, Digest(element.GetRawText())));
            return;
        }
        var items = element.EnumerateArray().ToArray();
        if (items.Any(i => i.ValueKind is JsonValueKind.Object or JsonValueKind.Array))
        {
            for (var n = 0; n < items.Length; n++) Collect(items[n], $"{path}[{n}]", digests);
            return;
        }
        for (var from = 0; from < items.Length; from += StretchLength)
        {
            var stretch = items.Skip(from).Take(StretchLength).ToArray();
            var range = items.Length <= StretchLength ? path : $"{path}[{from}…{from + stretch.Length - 1}]";
            digests.Add(new(range, Digest(string.Join(',', stretch.Select(i => i.GetRawText())))));
        }
    }

    private static string Digest(string json) => Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(json)));

    private static void Write(Utf8JsonWriter json, SolvedTier plan)
    {
        json.WriteStartObject();
        json.WriteString("planId", plan.PlanId);
        json.WriteString("name", plan.Name);
        json.WriteNumber("capTokens", plan.CapTokens);
        json.WriteNumber("periodFeeMicros", plan.PeriodFee.Value);
        json.WriteNumber("pricePerConversation", plan.PricePerConversation);
        json.WriteNumber("share", plan.Share);
        json.WriteNumber("urgencyFromPerSecond", plan.UrgencyFromPerSecond);
        json.WriteNumber("urgencyToPerSecond", plan.UrgencyToPerSecond);
        json.WriteEndObject();
    }

    private static SolvedTier ReadPlan(JsonFields fields)
    {
        var plan = new SolvedTier(
            fields.Text("planId"), fields.Text("name"), fields.Count("capTokens"), new Micros(fields.Whole("periodFeeMicros")), fields.Number("pricePerConversation"),
            fields.Number("share"), fields.Number("urgencyFromPerSecond"), fields.Number("urgencyToPerSecond"));
        fields.RefuseTheRest();
        return plan;
    }

    private static string Time(DateTimeOffset at) => at.UtcDateTime.ToString("O", CultureInfo.InvariantCulture);

    private static DateTimeOffset TimeOf(JsonFields fields, string name) =>
        DateTimeOffset.TryParse(fields.Text(name), CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal, out var at) ? at
            : throw new InputFaultException(fields.Named(name), $"is {fields.Text(name)}, expected a time");
}
