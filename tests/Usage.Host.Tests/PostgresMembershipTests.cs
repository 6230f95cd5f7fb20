using System.Net;
using Microsoft.Extensions.Options;
using Orleans;
using Orleans.Runtime;
using Usage.Host.Cluster;
using Usage.Host.Store;

namespace Usage.Host.Tests;

/// <summary>What Orleans expects of a membership table.</summary>
public sealed class PostgresMembershipTests : IAsyncLifetime
{
    private static readonly SiloAddress First = Silo(1), Second = Silo(2);
    private UsageStore _store = null!;
    private PostgresMembership _table = null!;

    public async Task InitializeAsync()
    {
        _store = new UsageStore(Options.Create(new UsageOptions { Postgres = (await Servers.CreateDatabaseAsync()).ConnectionString("usage") }));
        await _store.MigrateAsync(default);
        _table = new PostgresMembership(_store, "usage");
        await _table.InitializeMembershipTable(true);
    }

    public async Task DisposeAsync() => await _store.DisposeAsync();

    [Fact]
    public async Task A_member_is_read_back_as_it_was_written()
    {
        Assert.True(await InsertAsync(First));
        var (stored, _) = (await _table.ReadRow(First)).Members.Single();
        Assert.Equal((First, SiloStatus.Joining, "host", "name", 0), (stored.SiloAddress, stored.Status, stored.HostName, stored.SiloName, stored.ProxyPort));
        Assert.Equal((Samples.Jan1.UtcDateTime, Samples.Jan1.UtcDateTime), (stored.StartTime, stored.IAmAliveTime));

        var (entry, etag) = (await _table.ReadRow(First)).Members.Single();
        entry.Status = SiloStatus.Active;
        entry.AddSuspector(Second, Samples.Feb1.UtcDateTime);
        Assert.True(await _table.UpdateRow(entry, etag, (await VersionAsync()).Next()));
        stored = (await _table.ReadAll()).Members.Single().Item1;
        Assert.Equal((SiloStatus.Active, Second, Samples.Feb1.UtcDateTime), (stored.Status, stored.SuspectTimes!.Single().Item1, stored.SuspectTimes!.Single().Item2));
    }

    [Fact]
    public async Task Of_two_changes_of_one_version_only_the_first_happens()
    {
        var version = (await VersionAsync()).Next();
        Assert.True(await _table.InsertRow(Entry(First), version));
        Assert.False(await _table.InsertRow(Entry(Second), version));
        Assert.False(await _table.InsertRow(Entry(First), (await VersionAsync()).Next())); // twice
        Assert.Equal((1, 1), ((await _table.ReadAll()).Members.Count, (await VersionAsync()).Version));
    }

    [Fact]
    public async Task A_change_of_a_member_that_somebody_has_changed_since_does_not_happen()
    {
        await InsertAsync(First);
        var (entry, etag) = (await _table.ReadRow(First)).Members.Single();
        entry.Status = SiloStatus.Active;
        Assert.True(await _table.UpdateRow(entry, etag, (await VersionAsync()).Next()));
        entry.Status = SiloStatus.Dead;
        Assert.False(await _table.UpdateRow(entry, etag, (await VersionAsync()).Next()));
        Assert.Equal((SiloStatus.Active, 2), ((await _table.ReadAll()).Members.Single().Item1.Status, (await VersionAsync()).Version));
    }

    [Fact]
    public async Task A_sign_of_life_changes_no_version()
    {
        await InsertAsync(First);
        var before = await _table.ReadRow(First);
        var alive = Entry(First);
        alive.IAmAliveTime = Samples.Feb1.UtcDateTime;
        await _table.UpdateIAmAlive(alive);
        var after = await _table.ReadRow(First);
        Assert.Equal(Samples.Feb1.UtcDateTime, after.Members.Single().Item1.IAmAliveTime);
        Assert.Equal((before.Version.Version, before.Members.Single().Item2), (after.Version.Version, after.Members.Single().Item2));
    }

    [Fact]
    public async Task Only_the_dead_of_long_ago_are_cleaned_up()
    {
        foreach (var (silo, status) in new[] { (First, SiloStatus.Dead), (Second, SiloStatus.Active), (Silo(3), SiloStatus.Dead) })
        {
            var entry = Entry(silo);
            entry.Status = status;
            if (silo.Equals(Silo(3))) entry.IAmAliveTime = Samples.Feb1.UtcDateTime;
            Assert.True(await _table.InsertRow(entry, (await VersionAsync()).Next()));
        }
        await _table.CleanupDefunctSiloEntries(Samples.Jan1.AddDays(1));
        Assert.Equal([Second, Silo(3)], (await _table.ReadAll()).Members.Select(m => m.Item1.SiloAddress).OrderBy(s => s.Endpoint.Port));
    }

    [Fact]
    public async Task Clusters_do_not_see_each_other()
    {
        var other = new PostgresMembership(_store, "other");
        await other.InitializeMembershipTable(true);
        await InsertAsync(First);
        Assert.Empty((await other.ReadAll()).Members);
        await other.DeleteMembershipTableEntries("other");
        Assert.Single((await _table.ReadAll()).Members);
    }

    private async Task<bool> InsertAsync(SiloAddress silo) => await _table.InsertRow(Entry(silo), (await VersionAsync()).Next());

    private async Task<TableVersion> VersionAsync() => (await _table.ReadAll()).Version;

    private static SiloAddress Silo(int number) => SiloAddress.New(new IPEndPoint(IPAddress.Loopback, 11_000 + number), number);

    private static MembershipEntry Entry(SiloAddress silo) => new()
    {
        SiloAddress = silo, Status = SiloStatus.Joining, HostName = "host", SiloName = "name",
        StartTime = Samples.Jan1.UtcDateTime, IAmAliveTime = Samples.Jan1.UtcDateTime, SuspectTimes = [],
    };
}
