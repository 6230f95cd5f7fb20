using System.CommandLine;
using System.Globalization;
using System.Text.Json;
using Contracts.PlanDesign.V1;
using Kernel;
using PlanDesign;
using PlanDesign.Host;
using PlanDesign.Reports;
using PlanDesign.Screening.Constraints;
using ConstraintCost = PlanDesign.Screening.Constraints.ConstraintCost;
using Spectre.Console;

namespace Cli.Commands;

/// <summary><c>billing menu show [menu_… [--out FILE]]</c>: all menus, or one; with <c>--out</c> the file that proves it offline.</summary>
public static class MenuShow
{
    public static Command Create()
    {
        var id = new Argument<string?>("ID") { Description = "A menu; all of them if absent.", Arity = ArgumentArity.ZeroOrOne };
        var output = new Option<string?>("--out") { HelpName = "FILE", Description = "Write the signed menu, with its market and its proof: check it anywhere with billing menu verify FILE." };
        var (address, json, csv) = (ServiceAddress.PlanDesign(), MenuSolve.Json(), MenuSolve.CsvRows("one row for each menu, or for each plan of one"));
        var command = new Command("show", "Shows the menus of a running plan design.") { id, output, address, json, csv };
        command.SetAction((parsed, ct) => ProgressBar.During("asking plan design", _ => PlanDesignCalls.AskAsync(parsed.GetValue(address)!, async plans =>
        {
            if (parsed.GetValue(id) is not { } menuId)
            {
                if (parsed.GetValue(output) is not null) throw new UserException("--out needs the id of a menu: list them with billing menu show");
                await PrintAll(plans, parsed.GetValue(json), parsed.GetValue(csv), ct);
                return 0;
            }
            var menu = await plans.GetMenuAsync(new() { MenuId = menuId, IncludeSignedDocument = parsed.GetValue(output) is not null, IncludeMarket = parsed.GetValue(output) is null }, cancellationToken: ct);
            if (parsed.GetValue(output) is { } file)
            {
                if (menu.SignedDocument.Length == 0) throw new UserException($"{menuId} is not published, so there is nothing signed to write");
                await MenuPageCommand.WriteAsync(file, menu.SignedDocument, ct);
                await Console.Error.WriteLineAsync($"{file}: check it with billing menu verify {file}");
                return 0;
            }
            if (parsed.GetValue(csv)) WriteCsv(menu);
            else Print(menu, parsed.GetValue(json));
            return 0;
        }), ct));
        return command;
    }

    internal static void Print(Menu menu, bool json)
    {
        if (json)
        {
            Console.Out.WriteLine(ReportJson.Write(Report(menu), indented: true));
            return;
        }
        var console = CommandLine.Output;
        console.MarkupLineInterpolated($"[bold]{menu.Name}[/]  {menu.MenuId}  {Status(menu)}");
        if (menu.RetiredAt is not null) console.MarkupLineInterpolated($"{End(menu)}");
        if (menu.Evidence.Length > 0) console.MarkupLineInterpolated($"[yellow]{menu.Evidence}[/]");
        if (menu.Plans.Count > 0) console.Write(Plans(menu));
        foreach (var sentence in menu.Terms.ToTerms().Sentences()) console.WriteLine(sentence);
        if (menu.Market is { } market) console.WriteLine(SolvedFor(market, menu));
        if (menu.Solution is { } solution)
        {
            foreach (var notice in solution.Notices) console.MarkupLineInterpolated($"[yellow]{notice}[/]");
            console.WriteLine(Outcome(solution, menu.Currency));
            MenuForPeople.PrintRules(console, CostsOf(solution));
        }
        if (menu.Signature is { } signature) console.WriteLine($"Signed (Ed25519) by {signature.PublicKey.ToBase64()}");
    }

    /// <summary>Who ended it, and why, is not known of every menu.</summary>
    private static string End(Menu menu) =>
        $"{(Status(menu) == Discarded ? "Discarded" : "Taken off sale")} {Time(menu.RetiredAt)}{(menu.RetiredBy.Length > 0 ? $" by {menu.RetiredBy}" : "")}{(menu.RetiredReason.Length > 0 ? $": {menu.RetiredReason}" : "")}";

    private static ConstraintCost[] CostsOf(Solution solution) =>
        [.. solution.ConstraintCosts.Select(c => (c.Unknown.Length > 0 ? new ConstraintCost(FieldName(c.Constraint), null, null, null) { Unknown = c.Unknown } : new(FieldName(c.Constraint), c.ProfitCost, c.ShareServedGain, c.TokensGain)) with
        {
            ExitReasonWithout = c.ExitReasonWithout, ExitReasonWith = c.ExitReasonWith, IsAbout = c.IsAbout,
        })];

    /// <summary>A rule as it is called in files: cap_tokens_max is capTokensMax.</summary>
    private static string FieldName(string rule) => TariffReport.KindOf(rule.Replace('_', ' '));

    private static string SolvedFor(Contracts.PlanDesign.V1.Market message, Menu menu)
    {
        var market = message.ToMarket();
        var rules = menu.Constraints.ToConstraints();
        return string.Create(CultureInfo.InvariantCulture, $"Solved for {market.Urgency.Kind} urgency, {market.AnswerTime.Kind} answer times, {market.TokensPerSecond:G6} tokens a second, an answer worth {market.ValuePerAnswer:G6}")
            + string.Create(CultureInfo.InvariantCulture, $", {(market.ValueAtCap > 0 ? $"of which a cut one keeps {MenuForPeople.Percent(market.ValueAtCap)}, " : "")}a token at {market.ServingCostPerToken:G6}; ")
            + (menu.PlansMax > 0 ? $"at most {menu.PlansMax} plans; " : "any number of plans; ") + (rules is null ? "no rules." : $"rules {MenuConstraintsJson.Write(rules)}.");
    }

    /// <summary>What is not certified has no figures.</summary>
    private static string Outcome(Solution solution, string currency)
    {
        var c = solution.Certificate;
        if (solution.ExitReason == "not_certified") return "Not certified: this menu cannot be published.";
        return $"Outcome {solution.ExitReason}: earns {MenuForPeople.Number(solution.Profit)} a conversation; at exact prices no such menu earns more than {MenuForPeople.Number(c.UpperBound)}"
            + (c.HasUpperBoundInMinorUnits ? $", in {currency} minor units none more than {MenuForPeople.Number(c.UpperBoundInMinorUnits)}." : ".");
    }

    private static Table Plans(Menu menu)
    {
        var currency = Currency.Parse(menu.Currency);
        var table = MenuForPeople.Columns("plan", "cap, tokens", $"price a period of {menu.ConversationsPerPeriod.ToString("#,0", CultureInfo.InvariantCulture)}", "tokens a period", "share of customers");
        foreach (var plan in menu.Plans.Take(MenuForPeople.PlansShown))
            table.AddRow(plan.PlanId, plan.ConversationCapTokens.ToString("#,0", CultureInfo.InvariantCulture), $"{new Micros(plan.PeriodFeeMicros).ToMajorUnits(currency)} {currency}",
                plan.PeriodCapTokens.ToString("#,0", CultureInfo.InvariantCulture), MenuForPeople.Percent(plan.Share));
        return MenuForPeople.SayRest(table, menu.Plans.Count);
    }

    private static async Task PrintAll(Contracts.PlanDesign.V1.PlanDesign.PlanDesignClient plans, bool json, bool csv, CancellationToken ct)
    {
        var (menus, token) = (new List<Menu>(), "");
        do
        {
            var page = await plans.ListMenusAsync(new() { PageSize = 100, PageToken = token }, cancellationToken: ct);
            menus.AddRange(page.Menus);
            token = page.NextPageToken;
        }
        while (token.Length > 0);
        if (json)
        {
            Console.Out.WriteLine(ReportJson.Write(new { menus = menus.Select(Report) }, indented: true));
            return;
        }
        if (csv)
        {
            Csv.Write(Console.Out, ["menu", "name", "status", "plans", "currency", "conversations_per_period", "profit", "drafted_at", "published_at", "retired_at"], menus.Select(m => new object?[]
            {
                m.MenuId, m.Name, Status(m), m.Plans.Count, m.Currency, m.ConversationsPerPeriod, m.Solution?.Profit, Time(m.DraftedAt), m.PublishedAt is { } at ? Time(at) : null, m.RetiredAt is { } end ? Time(end) : null,
            }));
            return;
        }
        var table = MenuForPeople.Columns("menu", "name", "status", "plans", "currency", "drafted");
        foreach (var menu in menus)
            table.AddRow([.. new[] { menu.MenuId, menu.Name, Status(menu), menu.Plans.Count.ToString(CultureInfo.InvariantCulture), menu.Currency, Time(menu.DraftedAt) }.Select(Markup.Escape)]);
        CommandLine.Output.Write(table);
    }

    private static void WriteCsv(Menu menu) => Csv.Write(Console.Out,
        ["plan", "name", "cap_tokens", "period_fee_micros", "currency", "tokens_per_period", "price_per_conversation", "share"],
        menu.Plans.Select(p => new object?[] { p.PlanId, p.Name, p.ConversationCapTokens, p.PeriodFeeMicros, menu.Currency, p.PeriodCapTokens, p.PricePerConversation, p.Share }));

    private static object Report(Menu menu) => new
    {
        menu.MenuId,
        menu.Name,
        Status = Status(menu),
        menu.Currency,
        menu.ConversationsPerPeriod,
        menu.Models,
        Plans = menu.Plans.Select(p => new { p.PlanId, p.Name, p.PeriodFeeMicros, p.ConversationCapTokens, p.PeriodCapTokens, p.PricePerConversation, p.Share }),
        menu.Solution?.Profit,
        menu.Solution?.Revenue,
        menu.Solution?.ServingCost,
        menu.Solution?.ExitReason,
        Certificate = menu.Solution?.Certificate is { } c
            ? new
            {
                c.UpperBound, UpperBoundOf = c.HasUpperBoundOf ? c.UpperBoundOf : null, c.Gap, c.MaxIncentiveViolation, c.MaxParticipationViolation,
                UpperBoundInMinorUnits = c.HasUpperBoundInMinorUnits ? (double?)c.UpperBoundInMinorUnits : null, UpperBoundAtTypes = c.HasUpperBoundAtTypes ? (double?)c.UpperBoundAtTypes : null,
                // Bounds are above nothing; a menu from before they were kept has none.
                DensityUpperBound = Kept(c.DensityUpperBound), TokenBound = Kept(c.TokenBound), TypeBound = Kept(c.TypeBound),
            }
            : null,
        ConstraintCosts = menu.Solution is { ConstraintCosts.Count: > 0 } ruled ? CostsOf(ruled) : null,
        Notices = menu.Solution is { Notices.Count: > 0 } told ? told.Notices : null,
        Market = menu.Market is { } market ? JsonSerializer.Deserialize<JsonElement>(MarketJson.Write(market.ToMarket())) : (JsonElement?)null,
        Constraints = MenuConstraintsJson.Write(menu.Constraints.ToConstraints()) is { } rules ? JsonSerializer.Deserialize<JsonElement>(rules) : (JsonElement?)null,
        PlansMax = menu.PlansMax > 0 ? (int?)menu.PlansMax : null,
        Signature = menu.Signature is { } s ? new { Algorithm = "Ed25519", PublicKey = s.PublicKey.ToBase64(), Value = s.Value.ToBase64() } : null,
        Terms = menu.Terms is { } t
            ? new { t.FiveHoursConversations, t.WeekConversations, Overage = t.Overage.Select(Price) }
            : null,
        Evidence = menu.Evidence.Length > 0 ? menu.Evidence : null,
        DraftedAt = Time(menu.DraftedAt),
        PublishedAt = menu.PublishedAt is { } at ? Time(at) : null,
        RetiredAt = menu.RetiredAt is { } end ? Time(end) : null,
        RetiredBy = menu.RetiredBy.Length > 0 ? menu.RetiredBy : null,
        RetiredReason = menu.RetiredReason.Length > 0 ? menu.RetiredReason : null,
    };

    private static double? Kept(double bound) => bound == 0 ? null : bound;

    private static object Price(OveragePrice o) => o.Model.Length == 0 ? new { o.Kind, o.PerMillionTokens }
        : o.PackageTokens > 0 ? new { o.Kind, o.Model, o.PackageTokens, o.PackagePriceMicros }
        : new { o.Kind, o.Model, Tiers = o.Tiers.Select(t => new { UpTo = t.UpTo == 0 ? (long?)null : t.UpTo, t.PerMillionTokens }) };

    private const string Discarded = "discarded";

    /// <summary>A draft that was discarded comes as retired from a plan design that does not tell the two apart.</summary>
    private static string Status(Menu menu) => menu is { Status: MenuStatus.Retired, PublishedAt: null } ? Discarded : menu.Status.ToString().ToLowerInvariant();

    private static string Time(Google.Protobuf.WellKnownTypes.Timestamp at) => at.ToDateTimeOffset().ToString("yyyy-MM-dd'T'HH:mm:ss'Z'", CultureInfo.InvariantCulture);
}
