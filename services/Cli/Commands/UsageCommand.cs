using System.CommandLine;
using System.Globalization;
using Contracts.Usage.V1;
using Google.Protobuf;
using Google.Protobuf.WellKnownTypes;
using Grpc.Core;
using Grpc.Net.Client;
using Spectre.Console;

namespace Cli.Commands;

/// <summary>billing usage: what was recorded, what is left of caps, and corrections. Tables for people, --json and --csv for programs.</summary>
public static class UsageCommand
{
    private static readonly TimeSpan WatchesAgainAfter = TimeSpan.FromSeconds(1);

    public static Command Create() => new("usage", "Ask what was recorded and what is left, and correct it")
    {
        Aggregate(), Events(), Balance(), UsageCorrectionCommands.Amend(), UsageCorrectionCommands.Void(),
    };

    private static Command Aggregate()
    {
        var (from, to) = (Time("--from", "received at or after this", required: true), Time("--to", "received before this", required: true));
        var by = new Option<string[]>("--by") { HelpName = "DIMENSION", Description = "subscription, plan, model, kind or period; may be repeated", AllowMultipleArgumentsPerToken = true, DefaultValueFactory = _ => [] };
        var bucket = new Option<string>("--bucket") { HelpName = "TIME", Description = "hour, day or month, in UTC", DefaultValueFactory = _ => "" };
        var (subscription, plan, model) = (Text("--subscription", "only this subscription (sub_…)"), Text("--plan", "only this plan (plan_…)"), Text("--model", "only this model"));
        var (usage, shape) = (ServiceAddress.Usage(), new OutputShape());
        var command = new Command("aggregate", "Sums of recorded tokens, corrections included") { from, to, by, bucket, subscription, plan, model, usage };
        shape.AddTo(command);
        command.SetAction((parsed, ct) => UsageCalls.AskAsync(parsed.GetValue(usage)!, async channel =>
        {
            var request = new AggregateRequest
            {
                From = parsed.GetValue(from)!.Value.ToTimestamp(),
                To = parsed.GetValue(to)!.Value.ToTimestamp(),
                Bucket = Named<TimeBucket>("--bucket", parsed.GetValue(bucket)!),
                SubscriptionId = parsed.GetValue(subscription)!,
                PlanId = parsed.GetValue(plan)!,
                Model = parsed.GetValue(model)!,
            };
            foreach (var dimension in parsed.GetValue(by)!) request.GroupBy.Add(Named<Dimension>("--by", dimension));
            var client = new UsageLedger.UsageLedgerClient(channel);
            var (groups, completeFrom) = (new List<UsageGroup>(), (Timestamp?)null);
            do
            {
                var page = await client.AggregateAsync(request, cancellationToken: ct);
                groups.AddRange(page.Groups);
                // A partition may have been detached between two pages: the last one knows.
                completeFrom = page.CompleteFrom;
                request.PageToken = page.NextPageToken;
            }
            while (request.PageToken.Length > 0);
            shape.Print(parsed, groups, Columns(request));
            if (completeFrom is not null) shape.PrintCompleteFrom(parsed, completeFrom);
            return 0;
        }));
        return command;
    }

    private static Command Events()
    {
        var subscription = new Argument<string>("SUBSCRIPTION") { Description = "sub_…" };
        var (from, to) = (Time("--from", "received at or after this"), Time("--to", "received before this"));
        var (generation, conversation, model) = (Text("--generation", "only this generation (gen_…)"), Text("--conversation", "only this conversation"), Text("--model", "only this model"));
        var limit = CommandLine.Count("--limit", "N", "At most so many rows. Default 100.", 1, 1_000_000);
        var (usage, shape) = (ServiceAddress.Usage(), new OutputShape());
        var command = new Command("events", "Recorded rows of a subscription in the order of receipt, corrections among them") { subscription, from, to, generation, conversation, model, limit, usage };
        shape.AddTo(command);
        command.SetAction((parsed, ct) => UsageCalls.AskAsync(parsed.GetValue(usage)!, async channel =>
        {
            var most = parsed.GetValue(limit) ?? 100;
            using var call = new UsageLedger.UsageLedgerClient(channel).ListEvents(new ListEventsRequest
            {
                SubscriptionId = parsed.GetValue(subscription)!,
                From = parsed.GetValue(from)?.ToTimestamp(),
                To = parsed.GetValue(to)?.ToTimestamp(),
                GenerationId = parsed.GetValue(generation)!,
                Conversation = parsed.GetValue(conversation)!,
                Model = parsed.GetValue(model)!,
                Limit = most + 1,
            }, cancellationToken: ct);
            var rows = await call.ResponseStream.ReadAllAsync(ct).ToListAsync(ct);
            shape.Print(parsed, [.. rows.Take(most)], RowColumns);
            if (rows.Count > most) await Console.Error.WriteLineAsync($"billing: there are more rows than the first {most:N0} shown: raise --limit, or go on with --from");
            return 0;
        }));
        return command;
    }

    private static Command Balance()
    {
        var subscription = new Argument<string>("SUBSCRIPTION") { Description = "sub_…" };
        var conversation = Text("--conversation", "adds the cap of this conversation");
        var watch = new Option<bool>("--watch") { Description = "print it again whenever it changes, until interrupted" };
        var (usage, shape) = (ServiceAddress.Usage(), new OutputShape());
        var command = new Command("balance", "What is used, held and left of every cap") { subscription, conversation, watch, usage };
        shape.AddTo(command);
        command.SetAction((parsed, ct) => UsageCalls.AskAsync(parsed.GetValue(usage)!, async channel =>
        {
            var client = new UsageLedger.UsageLedgerClient(channel);
            var (id, named) = (parsed.GetValue(subscription)!, parsed.GetValue(conversation)!);
            if (!parsed.GetValue(watch))
            {
                shape.Print(parsed, (await client.GetBalanceAsync(new GetBalanceRequest { SubscriptionId = id, Conversation = named }, cancellationToken: ct)).Windows, WindowColumns);
                return 0;
            }
            // A watch lasts as long as the service lets it, or lives. Whoever opens another is told the state again, and has printed it.
            for (Balance? printed = null; ;)
            {
                try
                {
                    using var call = client.WatchBalance(new WatchBalanceRequest { SubscriptionId = id, Conversation = named }, cancellationToken: ct);
                    while (await call.ResponseStream.MoveNext(ct))
                        if (!call.ResponseStream.Current.Equals(printed)) shape.Print(parsed, (printed = call.ResponseStream.Current).Windows, WindowColumns);
                }
                catch (RpcException e) when (printed is not null && e.StatusCode == StatusCode.Unavailable)
                {
                    await Task.Delay(WatchesAgainAfter, ct);
                }
            }
        }));
        return command;
    }

    internal static readonly (string Name, Func<EventRow, object> Of)[] RowColumns =
    [
        ("received", r => UsageCalls.Show(r.ReceivedAt)), ("batch", r => r.Batch), ("ordinal", r => r.Ordinal),
        ("what", r => r.Kind == RowKind.Correction ? r.Correction.Void ? "void" : "amend" : r.Sequence == 0 ? "prompt" : $"chunk {r.Sequence}"),
        ("generation", r => r.GenerationId), ("conversation", r => r.Conversation), ("model", r => r.Model),
        ("input", r => r.Tokens.Input), ("cached", r => r.Tokens.CachedInput), ("cache creation", r => r.Tokens.CacheCreation),
        ("output", r => r.Tokens.Output), ("reasoning", r => r.Tokens.Reasoning), ("overrun", r => r.OverrunTokens),
        ("by", r => r.Correction is { } c ? $"{c.Author}: {c.Reason}" : ""),
    ];

    private static readonly (string Name, Func<WindowBalance, object> Of)[] WindowColumns =
    [
        ("window", w => w.Window), ("enforcement", w => w.Enforcement), ("cap", w => w.CapTokens), ("used", w => w.UsedTokens), ("held", w => w.ReservedTokens),
        ("left", w => Math.Max(0, w.CapTokens - w.UsedTokens - w.ReservedTokens)), ("opened", w => UsageCalls.Show(w.OpenedAt)), ("closes", w => UsageCalls.Show(w.ClosesAt)),
    ];

    private static (string, Func<UsageGroup, object>)[] Columns(AggregateRequest request)
    {
        var columns = new List<(string, Func<UsageGroup, object>)>();
        if (request.Bucket != TimeBucket.Unspecified) columns.Add(("from", g => UsageCalls.Show(g.BucketStart)));
        foreach (var dimension in request.GroupBy)
            columns.Add(dimension switch
            {
                Dimension.Subscription => ("subscription", g => g.SubscriptionId),
                Dimension.Plan => ("plan", g => g.PlanId),
                Dimension.Model => ("model", g => g.Model),
                Dimension.Period => ("period", g => g.PeriodId),
                _ => ("kind", g => g.Kind),
            });
        if (request.GroupBy.Contains(Dimension.Kind)) columns.Add(("tokens", g => g.KindTokens));
        else
            columns.AddRange([
                ("input", g => g.Tokens.Input), ("cached", g => g.Tokens.CachedInput), ("cache creation", g => g.Tokens.CacheCreation),
                ("output", g => g.Tokens.Output), ("reasoning", g => g.Tokens.Reasoning), ("overrun", g => g.OverrunTokens)]);
        columns.Add(("rows", g => g.Rows));
        return [.. columns];
    }

    private static T Named<T>(string option, string word)
        where T : struct, System.Enum =>
        word.Length == 0 ? default
        : System.Enum.TryParse<T>(word, ignoreCase: true, out var value) && !Equals(value, default(T)) && !char.IsDigit(word[0]) ? value
        : throw new UserException($"{option} {word} is not one of {string.Join(", ", System.Enum.GetNames<T>().Skip(1).Select(n => n.ToLowerInvariant()))}");

    /// <summary>Empty if it is not said; one that is required has no default, or nobody would miss it.</summary>
    internal static Option<string> Text(string name, string description, bool required = false) => required
        ? new(name) { Description = description, Required = true }
        : new(name) { Description = description, DefaultValueFactory = _ => "" };

    private static Option<DateTimeOffset?> Time(string name, string description, bool required = false) => new(name)
    {
        HelpName = "TIME",
        Description = $"{description}: 2026-01-31 or 2026-01-31T12:00:00Z, UTC",
        Required = required,
        CustomParser = result =>
        {
            if (Inputs.TryTime(result.Tokens[0].Value, out var time)) return time;
            result.AddError($"{name} {result.Tokens[0].Value} is not a time such as 2026-01-31 or 2026-01-31T12:00:00Z");
            return null;
        },
    };
}

/// <summary>Calls to the usage service, and their failures in one line.</summary>
internal static class UsageCalls
{
    public static async Task<int> AskAsync(Uri usage, Func<GrpcChannel, Task<int>> ask)
    {
        using var channel = ServiceChannel.Open(usage);
        try
        {
            return await ask(channel);
        }
        catch (RpcException e) when (e.StatusCode == StatusCode.Cancelled)
        {
            throw new OperationCanceledException(e.Message, e);
        }
        catch (RpcException e) when (e.StatusCode == StatusCode.Unavailable && e.GetRpcStatus() is null)
        {
            throw new UserException($"usage does not answer at {usage}: start it, or say where it is with --usage");
        }
        catch (RpcException e)
        {
            throw new UserException(e.Status.Detail);
        }
    }

    public static string Show(Timestamp? at) => at?.ToDateTimeOffset().ToString("yyyy-MM-dd HH:mm:ss", CultureInfo.InvariantCulture) ?? "";
}

/// <summary>How results are printed: a table, one JSON object a line, or CSV with a header.</summary>
internal sealed class OutputShape
{
    private readonly Option<bool> _json = new("--json") { Description = "One JSON object a line." };
    private readonly Option<bool> _csv = new("--csv") { Description = "Comma-separated values with a header." };

    public void AddTo(Command command)
    {
        command.Add(_json);
        command.Add(_csv);
        command.Validators.Add(result =>
        {
            if (result.GetResult(_json) is not null && result.GetResult(_csv) is not null) result.AddError("--json and --csv exclude each other");
        });
    }

    public bool IsJson(ParseResult parsed) => parsed.GetValue(_json);

    public bool IsCsv(ParseResult parsed) => parsed.GetValue(_csv);

    public void Print<T>(ParseResult parsed, IReadOnlyCollection<T> rows, (string Name, Func<T, object> Of)[] columns)
        where T : IMessage
    {
        if (IsJson(parsed))
        {
            foreach (var row in rows) Console.Out.WriteLine(JsonFormatter.Default.Format(row));
            return;
        }
        if (IsCsv(parsed))
        {
            Csv.Write(Console.Out, [.. columns.Select(c => c.Name.Replace(' ', '_'))], rows.Select(row => columns.Select(c => c.Of(row)).ToArray()));
            return;
        }
        var table = new Table().Border(TableBorder.Simple);
        foreach (var (name, _) in columns) table.AddColumn(new TableColumn(name).NoWrap());
        foreach (var row in rows) table.AddRow(columns.Select(c => Cell(c.Of(row))));
        CommandLine.Output.Write(table);
    }

    /// <summary>Says that sums lack rows: under a table, as the last line of JSON, and beside CSV, which has no place for it.</summary>
    public void PrintCompleteFrom(ParseResult parsed, Timestamp completeFrom)
    {
        if (IsJson(parsed))
        {
            Console.Out.WriteLine(JsonFormatter.Default.Format(new AggregateResponse { CompleteFrom = completeFrom }));
            return;
        }
        (IsCsv(parsed) ? Console.Error : Console.Out).WriteLine($"complete from {completeFrom.ToDateTimeOffset():yyyy-MM-dd HH:mm:ss.ffffff} on: of what was received before, rows are left out whose partitions are past the retention and detached");
    }

    /// <summary>A cell of a table: numbers to the right, in groups of digits.</summary>
    public static Markup Cell(object value) => value switch
    {
        long or int => new Markup($"{value:N0}").RightJustified(),
        decimal amount => new Markup(amount.ToString($"N{amount.Scale}", CultureInfo.InvariantCulture)).RightJustified(),
        _ => new Markup(Markup.Escape(Convert.ToString(value, CultureInfo.InvariantCulture)!)),
    };
}
