using System.CommandLine;
using Contracts.PlanDesign.V1;
using Grpc.Core;
using Hosting;
using Kernel;
using PlanDesign.Host;
using Client = Contracts.PlanDesign.V1.PlanDesign.PlanDesignClient;

namespace Cli.Commands;

/// <summary>
/// <c>billing menu publish menu_…</c> puts a draft on sale; <c>billing menu publish FILE|- --name N --round CURRENCY --conversations N</c> drafts the
/// menu of a market first.
/// </summary>
public static class MenuPublish
{
    public static Command Create()
    {
        var (input, address) = (new MenuInput("The id of a draft, or a market as JSON, or - for standard input."), ServiceAddress.PlanDesign());
        var name = new Option<string?>("--name") { HelpName = "TEXT", Description = "What the menu is called; for a market." };
        var models = new Option<string?>("--models") { HelpName = "A[,B…]", Description = "The models that the plans may use. Default: any." };
        var actor = new Option<string>("--actor") { HelpName = "NAME", Description = "Who publishes (default: who is logged in).", DefaultValueFactory = _ => Environment.UserName };
        var draftOnly = new Option<bool>("--draft") { Description = "Only draft it; somebody else publishes." };
        var key = new Option<string?>("--key") { HelpName = "TEXT", Description = "Idempotency key: the same command with the same key drafts one menu." };
        var fiveHours = new Option<int>("--five-hours") { HelpName = "N", Description = "At most so many conversations' tokens in five hours; for a market. Default: no such window." };
        var week = new Option<int>("--week") { HelpName = "N", Description = "The same in a week." };
        var overage = new Option<string[]>("--overage") { HelpName = "[KIND=]PRICE", Description = "Bills tokens beyond a period's allowance instead of stopping: 12.50 a million, or output=10 reasoning=15; graduated:12.50@1000000,8 by tiers up to so many tokens; volume:12.50@1000000,8 all at the price of the tier reached; package:2.00/100000 for each package begun.", AllowMultipleArgumentsPerToken = true };
        var json = MenuSolve.Json();
        var command = new Command("publish", "Puts a menu on sale, signed and for good. It never changes; whoever subscribed to an earlier one keeps it.");
        input.AddTo(command);
        foreach (var option in new Option[] { name, models, fiveHours, week, overage, actor, draftOnly, key, address, json }) command.Add(option);
        command.SetAction(async (parsed, ct) =>
        {
            var menuId = Ids.TryParse(Ids.Menu, input.FileOf(parsed), out _) ? input.FileOf(parsed) : null;
            var draft = menuId is null ? await DraftOf(await input.ReadAsync(parsed, ct), parsed.GetValue(name), parsed.GetValue(models)) : null;
            var terms = TermsOf(parsed.GetValue(fiveHours), parsed.GetValue(week), parsed.GetValue(overage) ?? []);
            if (draft is not null) draft.Terms = terms;
            else if (!terms.Equals(new SaleTerms())) throw new UserException("--five-hours, --week and --overage are for a market: a draft keeps the terms that it was drafted with");
            Task<Menu> Ask(string doing, Func<Client, Task<Menu>> ask) => ProgressBar.During(doing, _ => PlanDesignCalls.AskAsync(parsed.GetValue(address)!, ask), ct);
            Menu? menu = null;
            if (draft is not null)
            {
                menu = await Ask("drafting", plans => plans.DraftMenuAsync(draft, KeyOf(parsed.GetValue(key), "draft"), cancellationToken: ct).ResponseAsync);
                menuId = menu.MenuId;
            }
            if (!parsed.GetValue(draftOnly))
                try
                {
                    menu = await Ask("publishing", plans => plans.PublishMenuAsync(new() { MenuId = menuId, Actor = parsed.GetValue(actor)! }, KeyOf(parsed.GetValue(key), "publish"), cancellationToken: ct).ResponseAsync);
                }
                catch (UserException e) when (draft is not null)
                {
                    throw new UserException($"{menuId} is drafted, but not published: {e.Message}; when that is mended, publish it with billing menu publish {menuId}, or discard it with billing menu retire {menuId} --reason …");
                }
            MenuShow.Print(menu ?? await Ask("asking plan design", plans => plans.GetMenuAsync(new() { MenuId = menuId, IncludeMarket = true }, cancellationToken: ct).ResponseAsync), parsed.GetValue(json));
            return 0;
        });
        return command;
    }

    private static Task<DraftMenuRequest> DraftOf(MenuAsked asked, string? name, string? models)
    {
        if (name is null) throw new UserException("--name is missing: expected what the menu is called");
        if (asked.Currency is not { } currency) throw new UserException("--round and --conversations are missing: a menu is sold in the minor units of a currency, by the period");
        if (asked.Conversations?.Each is not { } each)
            throw new UserException("--conversations must be one number: a menu is published with one fee per period, which is no longer the best where numbers differ by type");
        return Task.FromResult(new DraftMenuRequest
        {
            Name = name,
            Market = asked.Customers.ToMessage(),
            PlansMax = asked.Options.PlansMax ?? 0,
            Currency = currency.Code,
            ConversationsPerPeriod = each,
            Models = { models?.Split(',') ?? [] },
            Constraints = asked.Options.Constraints?.ToMessage(),
        });
    }

    private static SaleTerms TermsOf(int fiveHours, int week, string[] overage)
    {
        var terms = new SaleTerms { FiveHoursConversations = fiveHours, WeekConversations = week };
        foreach (var price in overage)
        {
            var parts = price.Split('=', 2);
            // One price is for every kind that a cap counts.
            foreach (var kind in parts.Length == 2 ? [parts[0]] : Cap.GeneratedTokens.Select(k => k.Name()))
                terms.Overage.Add(OverageInput.Read(kind, parts[^1]));
        }
        return terms;
    }

    private static Metadata? KeyOf(string? key, string step) => key is null ? null : new() { { IdempotentCalls.Metadata, $"{key}-{step}" } };
}
