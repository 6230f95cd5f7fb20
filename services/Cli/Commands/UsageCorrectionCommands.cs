using System.CommandLine;
using Contracts.Usage.V1;
using Grpc.Core;

namespace Cli.Commands;

/// <summary>billing usage amend and billing usage void: signed rows beside what was recorded, with who made them and why.</summary>
internal static class UsageCorrectionCommands
{
    private static readonly string[] Kinds = ["input", "cached-input", "cache-creation", "output", "reasoning", "overrun"];

    public static Command Amend()
    {
        var generation = UsageCommand.Text("--generation", "what is amended: a generation (gen_…)");
        var (subscription, period, plan) = (
            UsageCommand.Text("--subscription", "or, with --period, all of a subscription's period (sub_…)"), UsageCommand.Text("--period", "per_…"),
            UsageCommand.Text("--plan", "plan_…, if the usage lies under several"));
        var kinds = Kinds
            .Select(kind => new Option<long>($"--{kind}") { HelpName = "TOKENS", Description = $"{kind.Replace('-', ' ')} tokens to add, or, below zero, to take away" }).ToArray();
        var call = new CorrectionOptions();
        var command = new Command("amend", "Adds signed tokens to what was recorded; at any time, for closed periods too") { generation, subscription, period, plan };
        foreach (var kind in kinds) command.Add(kind);
        call.AddTo(command);
        command.SetAction((parsed, ct) => call.CorrectAsync(parsed, (client, headers) => client.AmendUsageAsync(new AmendUsageRequest
        {
            GenerationId = parsed.GetValue(generation)!,
            SubscriptionId = parsed.GetValue(subscription)!,
            PeriodId = parsed.GetValue(period)!,
            PlanId = parsed.GetValue(plan)!,
            Deltas = new TokenCounts
            {
                Input = parsed.GetValue(kinds[0]),
                CachedInput = parsed.GetValue(kinds[1]),
                CacheCreation = parsed.GetValue(kinds[2]),
                Output = parsed.GetValue(kinds[3]),
                Reasoning = parsed.GetValue(kinds[4]),
            },
            OverrunDelta = parsed.GetValue(kinds[5]),
            Author = call.Author(parsed),
            Reason = call.Reason(parsed),
        }, headers, cancellationToken: ct)));
        return command;
    }

    public static Command Void()
    {
        var generation = new Argument<string>("GENERATION") { Description = "gen_…" };
        var call = new CorrectionOptions();
        var command = new Command("void", "Takes back everything that a generation has recorded") { generation };
        call.AddTo(command);
        command.SetAction((parsed, ct) => call.CorrectAsync(parsed, (client, headers) => client.VoidUsageAsync(
            new VoidUsageRequest { GenerationId = parsed.GetValue(generation)!, Author = call.Author(parsed), Reason = call.Reason(parsed) }, headers, cancellationToken: ct)));
        return command;
    }

    /// <summary>What every correction must say.</summary>
    private sealed class CorrectionOptions
    {
        private readonly Option<string> _author = UsageCommand.Text("--author", "who answers for it", required: true);
        private readonly Option<string> _reason = UsageCommand.Text("--reason", "why, for the auditor", required: true);
        private readonly Option<string> _key = UsageCommand.Text("--key", "idempotency key: the same again repeats nothing. Give one of your own, such as a ticket's number", required: true);
        private readonly Option<Uri> _usage = ServiceAddress.Usage();
        private readonly OutputShape _shape = new();

        public void AddTo(Command command)
        {
            foreach (var option in new Option[] { _author, _reason, _key, _usage }) command.Add(option);
            _shape.AddTo(command);
        }

        public string Author(ParseResult parsed) => parsed.GetValue(_author)!;
        public string Reason(ParseResult parsed) => parsed.GetValue(_reason)!;

        public Task<int> CorrectAsync(ParseResult parsed, Func<UsageCorrections.UsageCorrectionsClient, Metadata, AsyncUnaryCall<CorrectUsageResponse>> correct) =>
            UsageCalls.AskAsync(parsed.GetValue(_usage)!, async channel =>
            {
                var answer = await correct(new(channel), new Metadata { { "idempotency-key", parsed.GetValue(_key)! } });
                _shape.Print(parsed, answer.Corrections, UsageCommand.RowColumns);
                return 0;
            });
    }
}
