using System.Text.Json;
using Xunit.Abstractions;

namespace EndToEnd.Tests;

/// <summary>The same program as <c>billing bench chaos</c>, which plays hundreds of rounds.</summary>
public sealed class When_everything_is_killed_at_random(ITestOutputHelper output)
{
    private const int Rounds = 20, Seed = 20260303;

    [Fact]
    public async Task U1_U2_U3_U4_U5_U6_hold_and_the_books_are_what_clients_know()
    {
        var (exit, figures, said) = await DotnetProcess.RunAsync(Company.Dll("Chaos"), new Dictionary<string, string?>(), "", "--rounds", $"{Rounds}", "--seed", $"{Seed}", "--json");
        output.WriteLine(said + figures);
        Assert.True(exit == 0, said);
        var played = JsonDocument.Parse(figures).RootElement;
        Assert.Equal(Rounds, played.GetProperty("rounds").GetInt32());
        Assert.Equal(played.GetProperty("tokensKnownToClients").GetInt64(), played.GetProperty("tokensRecorded").GetInt64());
        Assert.True(played.GetProperty("generations").GetInt32() > 0 && played.GetProperty("events").GetInt32() > 0, "there was a load");
        Assert.True(played.GetProperty("menus").GetInt32() > 0, "menus were published");
        Assert.Equal(["billing", "plan-design", "postgres", "rabbitmq", "usage"], played.GetProperty("kills").EnumerateObject().Where(k => k.Value.GetInt32() > 0).Select(k => k.Name));
    }
}
