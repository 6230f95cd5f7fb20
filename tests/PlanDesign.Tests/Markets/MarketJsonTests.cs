using System.Text.Json.Nodes;
using PlanDesign.AnswerTimes;
using PlanDesign.Urgency;

namespace PlanDesign.Markets;

public sealed class MarketJsonTests
{
    private const string Valid = """
        {"urgency":{"kind":"discrete","ratesPerSecond":[0.1,0.2],"weights":[0.4,0.6]},
         "answerTime":{"kind":"discrete","probabilityPerToken":[0.5,0.25]},
         "tokensPerSecond":20,"valuePerAnswer":1,"servingCostPerToken":0.001}
        """;

    /// <summary>Half of a surrogate pair is JSON and yet no text.</summary>
    [Theory]
    [InlineData("\"discrete\",\"ratesPerSecond\"", "\"\\ud800\",\"ratesPerSecond\"", "urgency.kind", "is \"\\ud800\", expected a text in Unicode")]
    [InlineData("\"tokensPerSecond\"", "\"\\ud800x\":1,\"tokensPerSecond\"", "market", "has a field after answerTime whose name is no Unicode")]
    [InlineData("\"weights\"", "\"\\udc00\":1,\"weights\"", "urgency", "has a field after ratesPerSecond whose name is no Unicode")]
    public void A_text_that_is_no_unicode_is_refused_by_its_field(string from, string to, string field, string detail)
    {
        Assert.Contains(from, Valid, StringComparison.Ordinal);
        var text = Valid.Replace(from, to, StringComparison.Ordinal);
        Assert.Equal(new InputFault(field, detail), MarketJson.Read(text).Fault);
        Assert.Equal(new InputFault(field, detail), MenuRequestJson.Read(text).Fault);
    }

    [Theory]
    [InlineData("tokensPerSecond", "0", "tokensPerSecond")]
    [InlineData("tokensPerSecond", "-3", "tokensPerSecond")]
    [InlineData("tokensPerSecond", "1e999", "tokensPerSecond")]
    [InlineData("tokensPerSecond", "1e12", "tokensPerSecond")]
    [InlineData("tokensPerSecond", "\"20\"", "tokensPerSecond")]
    [InlineData("tokensPerSecond", "null", "tokensPerSecond")]
    [InlineData("valuePerAnswer", "-1", "valuePerAnswer")]
    [InlineData("valuePerAnswer", "0", "valuePerAnswer")]
    [InlineData("servingCostPerToken", "-0.1", "servingCostPerToken")]
    [InlineData("servingCostPerToken", "1e300", "servingCostPerToken")]
    [InlineData("typeCount", "3", "typeCount")]
    [InlineData("typeCount", "2.5", "typeCount")]
    [InlineData("capTokensMax", "0", "capTokensMax")]
    [InlineData("capTokensMax", "1000000000", "capTokensMax")]
    [InlineData("capTokenMax", "10", "capTokenMax")]
    [InlineData("urgency", "7", "urgency")]
    [InlineData("urgency", """{"ratesPerSecond":[1],"weights":[1]}""", "urgency.kind")]
    [InlineData("urgency", """{"kind":"discrete","weights":[1]}""", "urgency.ratesPerSecond")]
    [InlineData("urgency", """{"kind":"discrete","ratesPerSecond":[],"weights":[]}""", "urgency.ratesPerSecond")]
    [InlineData("urgency", """{"kind":"discrete","ratesPerSecond":[0.1,0.2],"weights":[1]}""", "urgency.weights")]
    [InlineData("urgency", """{"kind":"discrete","ratesPerSecond":[0.1,0.2],"weights":[0.5,0.6]}""", "urgency.weights")]
    [InlineData("urgency", """{"kind":"discrete","ratesPerSecond":[0.1,0.2],"weights":[1.5,-0.5]}""", "urgency.weights[0]")]
    [InlineData("urgency", """{"kind":"discrete","ratesPerSecond":[0.2,0.1],"weights":[0.5,0.5]}""", "urgency.ratesPerSecond[1]")]
    [InlineData("urgency", """{"kind":"discrete","ratesPerSecond":[0.2,0.2],"weights":[0.5,0.5]}""", "urgency.ratesPerSecond[1]")]
    [InlineData("urgency", """{"kind":"discrete","ratesPerSecond":[-0.1,0.2],"weights":[0.5,0.5]}""", "urgency.ratesPerSecond[0]")]
    [InlineData("urgency", """{"kind":"discrete","ratesPerSecond":[0.1,"b"],"weights":[0.5,0.5]}""", "urgency.ratesPerSecond[1]")]
    [InlineData("urgency", """{"kind":"discrete","ratesPerSecond":[1],"weights":[1],"rates":[1]}""", "urgency.rates")]
    [InlineData("urgency", """{"kind":"discrete","ratesPerSecond":[1],"weights":[1],"kind":"uniform"}""", "urgency.kind")]
    [InlineData("urgency", """{"kind":"uniform","from":1,"to":0.5}""", "urgency.to")]
    [InlineData("urgency", """{"kind":"uniform","from":-1,"to":0.5}""", "urgency.from")]
    [InlineData("urgency", """{"kind":"logNormal","mu":-2,"sigma":0}""", "urgency.sigma")]
    [InlineData("urgency", """{"kind":"logNormal","mu":-2000,"sigma":1}""", "urgency.mu")]
    [InlineData("urgency", """{"kind":"logNormal","mu":-2,"sigma":1,"typeCount":1}""", "typeCount")]
    [InlineData("urgency", """{"kind":"uniform","from":0,"to":1,"typeCount":1000000}""", "typeCount")]
    [InlineData("answerTime", "[]", "answerTime")]
    [InlineData("answerTime", """{"kind":"discrete","probabilityPerToken":[]}""", "answerTime.probabilityPerToken")]
    [InlineData("answerTime", """{"kind":"discrete","probabilityPerToken":[0,0]}""", "answerTime.probabilityPerToken")]
    [InlineData("answerTime", """{"kind":"discrete","probabilityPerToken":[0.8,0.3]}""", "answerTime.probabilityPerToken")]
    [InlineData("answerTime", """{"kind":"discrete","probabilityPerToken":[0.8,-0.1]}""", "answerTime.probabilityPerToken[1]")]
    [InlineData("answerTime", """{"kind":"exponential","meanSeconds":-1}""", "answerTime.meanSeconds")]
    [InlineData("answerTime", """{"kind":"exponential","meanSeconds":0}""", "answerTime.meanSeconds")]
    [InlineData("answerTime", """{"kind":"exponential"}""", "answerTime.meanSeconds")]
    [InlineData("answerTime", """{"kind":"empirical","tokens":[]}""", "answerTime.tokens")]
    [InlineData("answerTime", """{"kind":"empirical","tokens":[5,0]}""", "answerTime.tokens[1]")]
    [InlineData("answerTime", """{"kind":"empirical","tokens":[5,-7]}""", "answerTime.tokens[1]")]
    [InlineData("answerTime", """{"kind":"empirical","tokens":[5,2.5]}""", "answerTime.tokens[1]")]
    [InlineData("answerTime", """{"kind":"empirical","tokens":[5,7],"cut":[true]}""", "answerTime.cut")]
    [InlineData("answerTime", """{"kind":"empirical","tokens":[5,7],"cut":[true,true]}""", "answerTime.cut")]
    [InlineData("answerTime", """{"kind":"empirical","tokens":[5,7],"cut":[true,1]}""", "answerTime.cut[1]")]
    [InlineData("urgency", """{"kind":"gamma","shape":0,"scale":1}""", "urgency.shape")]
    [InlineData("urgency", """{"kind":"gamma","shape":2,"scale":-1}""", "urgency.scale")]
    [InlineData("urgency", """{"kind":"empirical","from":[0,0.1],"to":[0.2],"weights":[0.5,0.5]}""", "urgency.to")]
    [InlineData("urgency", """{"kind":"empirical","from":[0,0.1],"to":[0.2,0.3],"weights":[0.5,0.5]}""", "urgency.from[1]")]
    [InlineData("urgency", """{"kind":"empirical","from":[0,0.2],"to":[null,0.3],"weights":[0.5,0.5]}""", "urgency.to[0]")]
    [InlineData("urgency", """{"kind":"mixture","parts":[{"kind":"uniform","from":0,"to":1}],"weights":[0.5]}""", "urgency.weights")]
    [InlineData("urgency", """{"kind":"mixture","parts":[{"kind":"uniform","from":0,"to":-1}],"weights":[1]}""", "urgency.parts[0].to")]
    [InlineData("urgency", """{"kind":"mixture","parts":[{"kind":"uniform","from":0,"to":1,"mean":1}],"weights":[1]}""", "urgency.parts[0].mean")]
    [InlineData("urgency", """{"kind":"mixture","parts":[{"kind":"discrete","ratesPerSecond":[1],"weights":[1]}],"weights":[1]}""", "urgency.parts[0].kind")]
    [InlineData("answerTime", """{"kind":"deterministic","seconds":0}""", "answerTime.seconds")]
    [InlineData("answerTime", """{"kind":"greedy","prior":0.05,"lower":0.1,"upper":0.9,"informationPerSecond":0.02}""", "answerTime.prior")]
    [InlineData("answerTime", """{"kind":"diffusion","prior":0.5,"lower":0.9,"upper":0.1,"informationPerSecond":0.02}""", "answerTime.upper")]
    [InlineData("answerTime", """{"kind":"accumulation","prior":0.5,"lower":0,"upper":0.9,"informationPerSecond":0.02}""", "answerTime.lower")]
    [InlineData("answerTime", """{"kind":"greedy","prior":0.5,"lower":0.1,"upper":0.9,"informationPerSecond":0}""", "answerTime.informationPerSecond")]
    [InlineData("answerTime", """{"kind":"equalAnswers","answers":4,"confidence":0.25,"informationPerSecond":1}""", "answerTime.confidence")]
    [InlineData("answerTime", """{"kind":"equalAnswers","answers":1,"confidence":0.9,"informationPerSecond":1}""", "answerTime.answers")]
    [InlineData("answerTime", """{"kind":"piecewiseHazard","untilSeconds":[],"hazardPerSecond":[0.1,0.2]}""", "answerTime.untilSeconds")]
    [InlineData("answerTime", """{"kind":"piecewiseHazard","untilSeconds":[2,1],"hazardPerSecond":[0.1,0.2,0.3]}""", "answerTime.untilSeconds[1]")]
    [InlineData("answerTime", """{"kind":"piecewiseHazard","untilSeconds":[],"hazardPerSecond":[0]}""", "answerTime.hazardPerSecond")]
    public void What_is_wrong_is_named_by_its_field(string name, string value, string field)
    {
        var edited = JsonNode.Parse(Valid)!.AsObject();
        edited[name] = "@";
        var reading = MarketJson.Read(edited.ToJsonString().Replace("\"@\"", value, StringComparison.Ordinal));
        Assert.Null(reading.Market);
        Assert.Equal(field, reading.Fault!.Field);
        Assert.NotEmpty(reading.Fault.Detail);
    }

    [Theory]
    [InlineData("tokensPerSecond"), InlineData("valuePerAnswer"), InlineData("servingCostPerToken"), InlineData("urgency"), InlineData("answerTime")]
    public void What_is_missing_is_named(string name)
    {
        var edited = JsonNode.Parse(Valid)!.AsObject();
        edited.Remove(name);
        Assert.Equal(new InputFault(name, "is missing"), MarketJson.Read(edited.ToJsonString()).Fault);
    }

    [Theory]
    [InlineData("{\"urgency\":"), InlineData(""), InlineData("not json")]
    public void Text_that_is_not_JSON_is_refused(string text) => Assert.Equal("market", MarketJson.Read(text).Fault!.Field);

    [Theory]
    [InlineData("urgency", "zipf", "discrete, uniform, logNormal")]
    [InlineData("answerTime", "telepathy", "discrete, exponential, empirical")]
    public void An_unknown_kind_is_answered_with_those_that_are_known(string model, string kind, string known)
    {
        var edited = JsonNode.Parse(Valid)!.AsObject();
        edited[model] = new JsonObject { ["kind"] = kind };
        var fault = MarketJson.Read(edited.ToJsonString()).Fault!;
        Assert.Equal($"{model}.kind", fault.Field);
        Assert.Contains(known, fault.Detail);
    }

    [Theory]
    [InlineData("""{"kind":"uniform","from":0,"to":1,"typeCount":50}""", """{"kind":"exponential","meanSeconds":5,"capTokensMax":300}""", "")]
    [InlineData("""{"kind":"uniform","from":0,"to":1}""", """{"kind":"exponential","meanSeconds":5}""", ""","typeCount":50,"capTokensMax":300""")]
    [InlineData("""{"kind":"uniform","from":0,"to":1,"typeCount":50,"capTokensMax":300}""", """{"kind":"exponential","meanSeconds":5}""", "")]
    public void The_grid_may_be_fixed_beside_the_models_or_inside_them(string urgency, string answerTime, string beside)
    {
        var reading = MarketJson.Read($$"""{"urgency":{{urgency}},"answerTime":{{answerTime}},"tokensPerSecond":20,"valuePerAnswer":1,"servingCostPerToken":0{{beside}}}""");
        Assert.Null(reading.Fault);
        Assert.Equal((50, 300), (reading.Market!.Grid().Types.Count, reading.Market.Grid().CapTokensMax));
    }

    [Fact]
    public void A_grid_that_is_fixed_twice_must_be_the_same()
    {
        var reading = MarketJson.Read("""
            {"urgency":{"kind":"uniform","from":0,"to":1,"typeCount":50},"answerTime":{"kind":"exponential","meanSeconds":5},
             "tokensPerSecond":20,"valuePerAnswer":1,"servingCostPerToken":0,"typeCount":60}
            """);
        Assert.Equal("typeCount", reading.Fault!.Field);
    }

    public static TheoryData<string> EveryKind =>
    [
        Valid,
        """{"urgency":{"kind":"uniform","from":0.1,"to":0.3},"answerTime":{"kind":"exponential","meanSeconds":5.1},"tokensPerSecond":20,"valuePerAnswer":1,"servingCostPerToken":0,"typeCount":60,"capTokensMax":500}""",
        """{"urgency":{"kind":"logNormal","mu":-2.05,"sigma":1.1},"answerTime":{"kind":"empirical","tokens":[5,9,9,12],"cut":[false,false,true,false]},"tokensPerSecond":20,"valuePerAnswer":0.05,"servingCostPerToken":1e-05}""",
        """{"urgency":{"kind":"gamma","shape":2,"scale":0.05},"answerTime":{"kind":"greedy","prior":0.2,"lower":0.1,"upper":0.9,"informationPerSecond":0.0119},"tokensPerSecond":20,"valuePerAnswer":1,"servingCostPerToken":0}""",
        """{"urgency":{"kind":"empirical","from":[0,0.3,0.8],"to":[0.2,0.5,null],"weights":[0.3,0.5,0.2]},"answerTime":{"kind":"diffusion","prior":0.5,"lower":0.1,"upper":0.9,"informationPerSecond":0.025},"tokensPerSecond":20,"valuePerAnswer":1,"servingCostPerToken":0}""",
        """{"urgency":{"kind":"mixture","parts":[{"kind":"uniform","from":0,"to":0.2},{"kind":"gamma","shape":2,"scale":0.3}],"weights":[0.25,0.75]},"answerTime":{"kind":"accumulation","prior":0.2,"lower":0.1,"upper":0.9,"informationPerSecond":0.0119},"tokensPerSecond":20,"valuePerAnswer":1,"servingCostPerToken":0}""",
        """{"urgency":{"kind":"uniform","from":0,"to":1},"answerTime":{"kind":"equalAnswers","answers":4,"confidence":0.9,"informationPerSecond":0.05},"tokensPerSecond":20,"valuePerAnswer":1,"servingCostPerToken":0}""",
        """{"urgency":{"kind":"uniform","from":0,"to":1},"answerTime":{"kind":"piecewiseHazard","untilSeconds":[2,5.5],"hazardPerSecond":[0.1,0.3,0]},"tokensPerSecond":20,"valuePerAnswer":1,"servingCostPerToken":0}""",
        """{"urgency":{"kind":"uniform","from":0,"to":1},"answerTime":{"kind":"deterministic","seconds":3.5},"tokensPerSecond":20,"valuePerAnswer":1,"servingCostPerToken":0}""",
    ];

    [Theory, MemberData(nameof(EveryKind))]
    public void What_is_written_is_read_again_to_the_last_bit(string json)
    {
        var market = MarketJson.Read(json).Market!;
        var written = MarketJson.Write(market);
        Assert.True(JsonNode.DeepEquals(JsonNode.Parse(json), JsonNode.Parse(written)), written);
        Assert.Equal(written, MarketJson.Write(MarketJson.Read(written).Market!));
    }

    [Fact]
    public void A_market_built_in_code_is_checked_before_it_is_solved()
    {
        var market = new Market(new UniformUrgency(0, 1), new ExponentialAnswerTime(double.NaN), 20, 1, 0);
        var solution = Screening.MenuSolver.Solve(market, new());
        Assert.Equal(Screening.ExitReason.InvalidInput, solution.ExitReason);
        Assert.Equal("answerTime.meanSeconds", solution.Fault!.Field);
        Assert.False(solution.IsUsable);
    }

    [Theory]
    [InlineData(0, 1, 1, "plansMax")]
    [InlineData(65, 1, 1, "plansMax")]
    [InlineData(3, 0, 1, "minorUnits.unit")]
    [InlineData(3, double.NaN, 1, "minorUnits.unit")]
    [InlineData(3, 1e-15, 1, "minorUnits.unit")]
    [InlineData(3, 0.01, 0, "minorUnits.conversationsPerPeriod")]
    public void What_is_asked_of_the_solver_is_checked_too(int plansMax, double unit, int conversations, string field)
    {
        var solution = Screening.MenuSolver.Solve(MarketJson.Read(Valid).Market!, new(plansMax, new(unit, conversations)));
        Assert.Equal(field, solution.Fault!.Field);
    }

    [Fact]
    public void A_grid_too_large_to_solve_is_refused_with_its_limit()
    {
        var market = new Market(new UniformUrgency(0, 1), new ExponentialAnswerTime(5), 20, 1, 0) { TypeCount = 10_000, CapTokensMax = 131_072 };
        Assert.Equal("capTokensMax", market.Check()!.Field);
        Assert.Contains("500000000", market.Check()!.Detail);
        var solvable = market with { CapTokensMax = 20_000 };
        Assert.Null(solvable.Check());
        Assert.Equal("plansMax", Screening.MenuSolver.Solve(solvable, new(64)).Fault!.Field);
    }
}
