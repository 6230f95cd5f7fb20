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
        // Or U1 and U2 would hold for want of anything that could break them.
        Assert.True(played.GetProperty("denied").GetInt64() > 0, "caps were reached");
        Assert.True(played.GetProperty("longerThanLease").GetInt32() < played.GetProperty("generations").GetInt32() / 2, "most generations ended within a lease: what they were granted may not be overrun");
        Assert.True(played.GetProperty("stolen").GetInt32() > 0 && played.GetProperty("overrunTokens").GetInt64() > 0, "some generated beyond their grants");
        Assert.True(played.GetProperty("resumed").GetInt32() > 0, "a runtime was killed, and the next one went on");
        Assert.True(played.GetProperty("menus").GetInt32() > 0, "menus were published");
        Assert.Equal(["billing", "plan-design", "postgres", "rabbitmq", "runtime", "usage"], played.GetProperty("kills").EnumerateObject().Where(k => k.Value.GetInt32() > 0).Select(k => k.Name));
    }
}
