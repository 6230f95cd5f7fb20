using Contracts.Billing.V1;
using Contracts.PlanDesign.V1;
using Contracts.Usage.V1;
using Grpc.Core;
using PlanDesign.Screening;
using Spectre.Console;
using Menu = Contracts.PlanDesign.V1.Menu;

namespace Cli.Demo;

/// <summary>
/// A month of a company that sells a language model: the menu is solved and published, customers choose, a runtime serves them
/// within their caps, invoices go out, and an audit replays them. Every step uses the services' public interfaces only.
/// </summary>
public sealed class DemoStory(Deployment deployment, DemoMarket market, DemoScreen screen, string folder)
{
    private const int Workers = 4, ConversationsAtOnce = 240, CallsAtOnce = 32;

    private readonly Dictionary<string, DemoCustomer> _subscribers = [];
    private DateTimeOffset _now;

    public async Task<DemoFigures> PlayAsync(CancellationToken ct)
    {
        _now = await UnplayedMonthAsync(ct);
        var menu = await PublishAsync(ct);
        var terms = await TermsReceivedAsync(menu, ct);
        await SubscribeAsync(menu, ct);
        var period = new Period(_now, Period.Monthly(_now, 0).End);
        var tally = await ServeMonthAsync(period, ct);
        var invoices = await CloseAsync(menu, period, ct);
        var books = await BooksAsync(menu, tally, invoices, ct);
        var audit = await new DemoAudit(deployment, screen, folder).RunAsync(invoices.Select(i => i.InvoiceId).ToHashSet(), ct);

        var figures = new DemoFigures
        {
            Menu = [.. menu.Plans.Select(p => new DemoPlan(p.Name, p.ConversationCapTokens, Fee(p), p.Share, Buyers(p)))],
            Customers = market.Customers,
            Subscribers = _subscribers.Count,
            Conversations = tally.Sum(t => t.Conversations),
            TokensGenerated = tally.Sum(t => t.GeneratedTokens),
            GenerationsMisrecorded = books.GenerationsMisrecorded,
            TokensRecorded = books.TokensRecorded,
            TokensInvoiced = books.TokensInvoiced,
            TokensPastCap = books.TokensPastCap,
            RevenuePredicted = books.RevenuePredicted,
            RevenueInvoiced = books.RevenueInvoiced,
            Invoices = invoices.Count,
            InvoicesReplayedIdentical = audit.Identical,
            TamperDetected = audit.TamperDetected,
            Disconnects = tally.Sum(t => t.Disconnects),
            FramesResent = tally.Sum(t => t.Resent),
            Seconds = Math.Round(screen.Seconds, 1),
        };
        return figures;
    }

    // A deployment that was started again has its clocks back where they began, and its books where they were: the month after the last menu's is one
    // that nobody has played.
    private async Task<DateTimeOffset> UnplayedMonthAsync(CancellationToken ct)
    {
        var now = await deployment.Now(ct);
        var page = new ListMenusRequest { PageSize = 100 };
        var free = now;
        do
        {
            var response = await deployment.PlanDesign.ListMenusAsync(page, cancellationToken: ct);
            foreach (var menu in response.Menus)
                if (Closed(menu.DraftedAt.ToDateTimeOffset()) is var closed && closed > free) free = closed;
            page.PageToken = response.NextPageToken;
        }
        while (page.PageToken != "");
        if (free > now) await deployment.AdvanceAsync(free, ct);
        return free;
    }

    /// <summary>When the month that begins then is over and billed: the grace for late usage is an hour by default.</summary>
    private static DateTimeOffset Closed(DateTimeOffset start) => Period.Monthly(start, 0).End.AddHours(2);

    private async Task<Menu> PublishAsync(CancellationToken ct)
    {
        screen.Title("3  Publish");
        var request = new DraftMenuRequest
        {
            Name = "Demo menu",
            Market = market.ToContract(),
            PlansMax = DemoMarket.PlansMax,
            Currency = market.Currency.Code,
            ConversationsPerPeriod = DemoMarket.ConversationsPerPeriod,
        };
        var draft = await deployment.PlanDesign.DraftMenuAsync(request, Key($"draft-{Ids.New(Ids.Menu, _now)}"), cancellationToken: ct);
        var menu = await deployment.PlanDesign.PublishMenuAsync(new() { MenuId = draft.MenuId, Actor = "demo" }, Key($"publish-{draft.MenuId}"), cancellationToken: ct);
        screen.Say($"{menu.MenuId} is on sale: {menu.Plans.Count} plans, {DemoMarket.ConversationsPerPeriod} conversations a month. It will never change.");
        return menu;
    }

    private async Task<MenuTerms> TermsReceivedAsync(Menu menu, CancellationToken ct)
    {
        var deadline = TimeProvider.System.GetUtcNow().AddSeconds(60);
        while (true)
        {
            try
            {
                return await deployment.Billing.GetMenuTermsAsync(new() { MenuId = menu.MenuId }, cancellationToken: ct);
            }
            catch (RpcException e) when (e.StatusCode is StatusCode.NotFound or StatusCode.FailedPrecondition && TimeProvider.System.GetUtcNow() < deadline)
            {
                await Task.Delay(100, ct);
            }
        }
    }

    private async Task SubscribeAsync(Menu menu, CancellationToken ct)
    {
        screen.Title("4  Customers choose");
        var plans = menu.Plans.ToArray();
        var offers = plans.Select(p => new PlanOffer((int)p.ConversationCapTokens, p.PeriodFeeMicros / 1e6 / DemoMarket.ConversationsPerPeriod)).ToArray();
        var choices = market.Choices(offers);
        var buyers = choices.Index().Where(c => c.Item is not null).ToArray();
        if (buyers.Length == 0) throw new UserException($"none of {market.Customers:N0} customers finds a plan worth its price: the plans are for few, so ask more with --customers");
        await screen.Progress("subscribing", buyers.Length, async step =>
        {
            await Parallel.ForEachAsync(buyers, new ParallelOptions { MaxDegreeOfParallelism = CallsAtOnce, CancellationToken = ct }, async (buyer, token) =>
            {
                var (number, plan) = (buyer.Index, plans[buyer.Item!.Value]);
                var customer = await deployment.Billing.CreateCustomerAsync(
                    new() { CustomerId = Ids.Derive(Ids.Customer, _now, menu.MenuId, $"{number}"), Currency = menu.Currency, Reference = $"customer-{number:0000}" },
                    Key($"customer-{menu.MenuId}-{number}"), cancellationToken: token);
                var subscription = await deployment.Billing.SubscribeAsync(
                    new() { SubscriptionId = Ids.Derive(Ids.Subscription, _now, menu.MenuId, $"{number}"), CustomerId = customer.CustomerId, MenuId = menu.MenuId, PlanId = plan.PlanId },
                    Key($"subscribe-{menu.MenuId}-{number}"), cancellationToken: token);
                lock (_subscribers) _subscribers.Add(subscription.SubscriptionId, new(number, subscription.SubscriptionId, plan.PlanId, plan.ConversationCapTokens));
                step(1);
            });
            return 0;
        });
        foreach (var plan in plans)
            screen.Say($"  {Buyers(plan),5:N0} took {plan.Name} (cap {plan.ConversationCapTokens:N0} tokens, {Fee(plan):0.00} {menu.Currency} a month)");
        screen.Say($"  {market.Customers - _subscribers.Count,5:N0} took none");
    }

    private async Task<IReadOnlyList<RuntimeTally>> ServeMonthAsync(Period period, CancellationToken ct)
    {
        screen.Title("5  A month of conversations");
        var days = (int)(period.End - period.Start).TotalDays;
        var conversations = market.Conversations(_subscribers.Values).ToLookup(c => c.Day(days), c => c.Conversation);
        var total = conversations.Sum(d => d.Count());
        var runtimes = Enumerable.Range(0, Workers).Select(w => new ModelRuntime(deployment.NewMeter(), seed: w, ConversationsAtOnce, () => _now)).ToArray();
        await screen.Progress($"serving {total:N0} conversations", total, async step =>
        {
            for (var day = 0; day < days; day++)
            {
                _now = period.Start.AddDays(day).AddHours(12);
                await deployment.AdvanceAsync(_now, ct);
                // A conversation stays with its worker; a customer's several conversations spread over all of them.
                var today = conversations[day].Index().ToLookup(c => c.Index % Workers, c => c.Item);
                await Task.WhenAll(runtimes.Select((r, w) => Task.Run(() => r.ServeAsync(today[w], () => step(1), ct), ct)));
            }
            return 0;
        });
        var tally = runtimes.Select(r => r.Tally).ToArray();
        foreach (var runtime in runtimes) await runtime.DisposeAsync();
        var tokens = tally.Sum(t => t.GeneratedTokens);
        screen.Say($"{total:N0} conversations in {tally.Sum(t => t.Generations):N0} generations, {tokens:N0} tokens generated, every one of them granted before.");
        screen.Say($"{tally.Sum(t => t.Denied):N0} turns were denied at an exhausted cap. On purpose, the runtime disconnected {tally.Sum(t => t.Disconnects):N0} times and sent {tally.Sum(t => t.Resent):N0} frames twice.");
        return tally;
    }

    private async Task<IReadOnlyList<Invoice>> CloseAsync(Menu menu, Period period, CancellationToken ct)
    {
        screen.Title("6  The period closes");
        var invoices = await screen.Progress("invoicing", _subscribers.Count, async step =>
        {
            await deployment.AdvanceAsync(_now = Closed(period.Start), ct);
            return await FinalizedAsync(step, ct);
        });
        if (invoices.Count == 0) throw new UserException("billing has issued no invoice within two minutes: its log says why");
        screen.Say($"{invoices.Count:N0} invoices, numbered {invoices.Min(i => i.Number)} to {invoices.Max(i => i.Number)}. One of them in full:");
        var one = invoices.OrderByDescending(i => i.Lines.Sum(l => l.Tokens)).ElementAt(invoices.Count / 2);
        InvoicePrinter.Print(screen.Console, one);
        var fee = Fee(menu.Plans.Single(p => p.PlanId == _subscribers[one.SubscriptionId].PlanId));
        screen.Say($"  the fee is {DemoMarket.ConversationsPerPeriod} conversations × {fee / DemoMarket.ConversationsPerPeriod:0.0000} {menu.Currency}, the price that was solved, = {fee:0.00}");
        return invoices;
    }

    private async Task<IReadOnlyList<Invoice>> FinalizedAsync(Action<double> step, CancellationToken ct)
    {
        var deadline = TimeProvider.System.GetUtcNow().AddSeconds(120);
        var seen = new Dictionary<string, Invoice>();
        while (true)
        {
            var before = seen.Count;
            var page = new ListInvoicesRequest { PageSize = 1_000, Status = InvoiceStatus.Finalized };
            do
            {
                var response = await deployment.Billing.ListInvoicesAsync(page, cancellationToken: ct);
                foreach (var invoice in response.Invoices.Where(i => _subscribers.ContainsKey(i.SubscriptionId))) seen[invoice.InvoiceId] = invoice;
                page.PageToken = response.NextPageToken;
            }
            while (page.PageToken != "");
            step(seen.Count - before);
            if (seen.Count >= _subscribers.Count || TimeProvider.System.GetUtcNow() > deadline) return [.. seen.Values.OrderBy(i => i.Number, StringComparer.Ordinal)];
            await Task.Delay(200, ct);
        }
    }

    private async Task<Books> BooksAsync(Menu menu, IReadOnlyList<RuntimeTally> tally, IReadOnlyList<Invoice> invoices, CancellationToken ct)
    {
        screen.Title("7  Books");
        // Recorded: the raw rows of the ledger, not anybody's sums.
        long recorded = 0;
        var generated = new Dictionary<(string Subscription, string Conversation), long>();
        // The runtime's own count, generation by generation: what the ledger has of each is taken off it, and nothing must be left.
        var owed = tally.SelectMany(t => t.Acknowledged).ToDictionary(g => g.Key, g => g.Value);
        long overrun = 0;
        foreach (var head in (await deployment.Ledger.GetHeadsAsync(new(), cancellationToken: ct)).Heads.Where(h => h.BatchNumber > 0))
        {
            using var batches = deployment.Ledger.GetBatches(new() { Shard = head.Shard, FromNumber = 1, ToNumber = head.BatchNumber, IncludeRows = true }, cancellationToken: ct);
            await foreach (var row in batches.ResponseStream.ReadAllAsync(ct).SelectMany(b => b.Rows.ToAsyncEnumerable()))
            {
                if (!_subscribers.ContainsKey(row.SubscriptionId)) continue;
                var t = row.Tokens;
                recorded += t.Input + t.CachedInput + t.CacheCreation + t.Output + t.Reasoning;
                overrun += row.OverrunTokens;
                owed[row.GenerationId] = owed.GetValueOrDefault(row.GenerationId) - t.Output - t.Reasoning;
                generated[(row.SubscriptionId, row.Conversation)] = generated.GetValueOrDefault((row.SubscriptionId, row.Conversation)) + t.Output + t.Reasoning;
            }
        }
        var pastCap = overrun + generated.Sum(g => Math.Max(0, g.Value - _subscribers[g.Key.Subscription].CapTokens));
        var books = new Books(
            recorded,
            owed.Count(g => g.Value != 0),
            invoices.Sum(i => i.Lines.Where(l => l.TokenKind != TokenKind.Overrun.Name()).Sum(l => l.Tokens)),
            pastCap,
            Math.Round((decimal)menu.Solution.Revenue * DemoMarket.ConversationsPerPeriod * market.Customers, 2),
            invoices.Sum(i => i.TotalMicros) / 1_000_000m);
        var table = InvoicePrinter.Table("", "by the solver, the runtime, the ledger", "on the invoices");
        table.AddRow("revenue", $"{books.RevenuePredicted:N2} {menu.Currency} predicted", $"{books.RevenueInvoiced:N2} {menu.Currency}");
        table.AddRow("tokens", $"{books.TokensRecorded:N0} recorded", $"{books.TokensInvoiced:N0}");
        table.AddRow("tokens generated", $"{tally.Sum(t => t.GeneratedTokens):N0} by the runtime's count", $"{invoices.Sum(i => i.Lines.Where(IsGenerated).Sum(l => l.Tokens)):N0}");
        table.AddRow("tokens past a cap", $"{books.TokensPastCap:N0}", $"{invoices.Sum(i => i.Lines.Where(l => l.TokenKind == TokenKind.Overrun.Name()).Sum(l => l.Tokens)):N0}");
        screen.Console.Write(table);
        var sold = menu.Plans.Where(p => Buyers(p) > 0).ToArray();
        screen.Say($"To add it up: {string.Join(" + ", sold.Select(p => $"{Buyers(p):N0} × {Fee(p):0.00}"))} = {sold.Sum(p => Buyers(p) * Fee(p)):N2} {menu.Currency}.");
        return books;
    }

    private int Buyers(Plan plan) => _subscribers.Values.Count(s => s.PlanId == plan.PlanId);

    private static decimal Fee(Plan plan) => plan.PeriodFeeMicros / 1_000_000m;

    private static bool IsGenerated(InvoiceLine line) => line.TokenKind == TokenKind.Output.Name() || line.TokenKind == TokenKind.Reasoning.Name();

    private static Metadata Key(string key) => new() { { "idempotency-key", key } };

    private sealed record Books(long TokensRecorded, int GenerationsMisrecorded, long TokensInvoiced, long TokensPastCap, decimal RevenuePredicted, decimal RevenueInvoiced);
}

public sealed record DemoCustomer(int Number, string SubscriptionId, string PlanId, long CapTokens);
