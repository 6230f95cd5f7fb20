using System.CommandLine;
using System.Globalization;
using PlanDesign;
using PlanDesign.Reports;
using PlanDesign.Screening;
using PlanDesign.Screening.Constraints;

namespace Cli.Commands;

/// <summary>What is to be solved, complete: the market of conversations, the options, and what they were made from.</summary>
/// <param name="Customers">The market as it was given; <paramref name="Market"/> weighs types by conversations where their numbers differ.</param>
public sealed record MenuAsked(
    Market Market, SolveOptions Options, Currency? Currency, Conversations? Conversations, Market Customers, IReadOnlyList<PlanOffer> Running)
{
    public PeriodReport? Period(MenuSolution solution) => Conversations is { } n && solution.IsUsable ? PeriodReport.Of(Customers, n, solution) : null;
}

/// <summary>
/// The file and the options that every command takes which solves a menu. An option on the command line takes the place of the same field in the
/// file.
/// </summary>
public sealed class MenuInput(string fileDescription = MenuInput.MarketFile)
{
    private const string MarketFile = "The market as JSON, with what the menu must keep to; or - for standard input.";
    private const string StandardInput = "-";

    private readonly Argument<string> _file = new("FILE") { Description = fileDescription };
    private readonly Option<int?> _tiers = CommandLine.Count("--tiers", "K", "At most so many plans. Default: as many as are worth having.", 1, MarketLimits.PlansMax);
    private readonly Option<string?> _round = new("--round") { HelpName = "CURRENCY", Description = "Whole minor units of this currency (ISO 4217) on the invoice. Default: exact prices." };
    private readonly Option<int[]?> _conversations = Numbers("--conversations", "N[,N…]", "Conversations of a customer in a billing period: one number, or one for each type (most patient first).", MinorUnits.ConversationsPerPeriodMax);
    private readonly Option<int?> _capMin = CommandLine.Count("--cap-min", "TOKENS", "No plan is shorter.", 1, MarketLimits.CapTokensMax);
    private readonly Option<int?> _capMax = CommandLine.Count("--cap-max", "TOKENS", "No plan is longer.", 1, MarketLimits.CapTokensMax);
    private readonly Option<int[]?> _caps = Numbers("--caps", "T[,T…]", "Plans have one of these caps.", MarketLimits.CapTokensMax);
    private readonly Option<bool> _nobodyExcluded = new("--nobody-excluded") { Description = "Everybody must find a plan worth its price." };
    private readonly Option<int?> _freeTier = CommandLine.Count("--free-tier", "TOKENS", "A plan with this cap is on the menu for nothing, and every plan that is sold is longer.", 1, MarketLimits.CapTokensMax);
    private readonly Option<double?> _priceMax = Money("--price-max", "No plan costs more, per conversation; needs --round.");
    private readonly Option<double?> _priceMin = Money("--price-min", "No plan but a free one costs less, per conversation; needs --round.");
    private readonly Option<double?> _priceRatio = Money("--price-ratio", "The dearest plan costs at most so many times the cheapest, which is then no plan for nothing; needs --round.");

    public void AddTo(Command command)
    {
        command.Add(_file);
        foreach (var option in new Option[] { _tiers, _round, _conversations, _capMin, _capMax, _caps, _nobodyExcluded, _freeTier, _priceMax, _priceMin, _priceRatio }) command.Add(option);
    }

    public string FileOf(ParseResult parsed) => parsed.GetValue(_file)!;

    public async Task<MenuAsked> ReadAsync(ParseResult parsed, CancellationToken ct)
    {
        var code = parsed.GetValue(_round);
        if (code is not null && !Currency.TryParse(code, out _)) throw new UserException($"--round {code} is not an ISO 4217 currency code known here, such as USD, EUR or JPY");
        var reading = MenuRequestJson.Read(await TextOf(parsed.GetValue(_file)!, "a market as JSON", ct), ct);
        var request = reading.Request ?? throw new UserException(reading.Fault!.ToString());

        var currency = code is null ? request.Currency : Currency.Parse(code);
        var conversations = parsed.GetValue(_conversations) switch
        {
            null or [] => request.Conversations,
            [var each] => Conversations.Of(each),
            var byType => Conversations.OfTypes(byType),
        };
        if (conversations?.Check(request.Market) is { } wrong) throw new UserException(wrong.ToString());
        if (currency is not null && conversations is null)
            throw new UserException("--round and --conversations go together: the invoiced amount is price × conversations");
        var units = currency is null ? null : conversations!.Units(Math.Pow(10, -currency.Digits));
        var options = new SolveOptions(parsed.GetValue(_tiers) ?? request.PlansMax, units) { Constraints = Constraints(parsed, request.Constraints) };
        return new(conversations?.OfConversations(request.Market) ?? request.Market, options, currency, conversations, request.Market, request.Running);
    }

    /// <summary>A file, or standard input.</summary>
    public static async Task<string> TextOf(string file, string expected, CancellationToken ct)
    {
        string text;
        try
        {
            text = file == StandardInput ? await Console.In.ReadToEndAsync(ct) : await File.ReadAllTextAsync(file, ct);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new UserException(e is FileNotFoundException or DirectoryNotFoundException ? $"{file}: no such file" : $"{file}: {e.Message}");
        }
        return string.IsNullOrWhiteSpace(text) ? throw new UserException($"{(file == StandardInput ? "standard input" : file)} is empty: expected {expected}") : text;
    }

    private MenuConstraints? Constraints(ParseResult parsed, MenuConstraints? inFile)
    {
        var given = inFile ?? new();
        var rules = given with
        {
            CapTokensMin = parsed.GetValue(_capMin) ?? given.CapTokensMin,
            CapTokensMax = parsed.GetValue(_capMax) ?? given.CapTokensMax,
            AllowedCapTokens = parsed.GetValue(_caps) is { Length: > 0 } caps ? caps : given.AllowedCapTokens,
            NobodyExcluded = parsed.GetValue(_nobodyExcluded) || given.NobodyExcluded,
            FreeTierCapTokens = parsed.GetValue(_freeTier) ?? given.FreeTierCapTokens,
            PriceMax = parsed.GetValue(_priceMax) ?? given.PriceMax,
            PriceMin = parsed.GetValue(_priceMin) ?? given.PriceMin,
            PriceRatioMax = parsed.GetValue(_priceRatio) ?? given.PriceRatioMax,
        };
        return rules == new MenuConstraints() ? null : rules;
    }

    private static Option<int[]?> Numbers(string name, string placeholder, string description, int max) => new(name)
    {
        HelpName = placeholder,
        Description = description,
        CustomParser = result =>
        {
            var words = result.Tokens[0].Value.Split(',');
            var numbers = new int[words.Length];
            for (var n = 0; n < words.Length; n++)
            {
                if (int.TryParse(words[n], NumberStyles.None, CultureInfo.InvariantCulture, out numbers[n]) && numbers[n] >= 1 && numbers[n] <= max) continue;
                result.AddError($"{name} {words[n]} is not a whole number from 1 to {max}");
                return null;
            }
            return numbers;
        },
    };

    private static Option<double?> Money(string name, string description) => new(name)
    {
        HelpName = "AMOUNT",
        Description = description,
        CustomParser = result =>
        {
            if (double.TryParse(result.Tokens[0].Value, NumberStyles.Float, CultureInfo.InvariantCulture, out var amount) && amount is >= 0 and <= MarketLimits.MoneyMax) return amount;
            result.AddError($"{name} {result.Tokens[0].Value} is not a number from 0 to {MarketLimits.MoneyMax:0}");
            return null;
        },
    };
}
