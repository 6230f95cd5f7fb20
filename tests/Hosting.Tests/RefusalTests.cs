using Contracts.PlanDesign.V1;
using Grpc.Core;
using Grpc.Health.V1;

namespace Hosting.Tests;

public sealed class RefusalTests(JarsFixture jars) : IClassFixture<JarsFixture>
{
    private async Task<RpcException> Failure(RetireMenuRequest request) =>
        await Assert.ThrowsAsync<RpcException>(async () => await jars.Host.Jars.RetireMenuAsync(request));

    [Fact]
    public async Task A_malformed_argument_is_named()
    {
        var e = await Failure(new() { Reason = "a" });
        Assert.Equal((StatusCode.InvalidArgument, "invalid_argument"), TestHost.Why(e));
        Assert.Equal("menu_id is missing", e.Status.Detail);
    }

    [Fact]
    public async Task A_failure_inside_is_not_told_outside()
    {
        var e = await Failure(new() { MenuId = "broken" });
        Assert.Equal((StatusCode.Internal, "internal"), TestHost.Why(e));
        Assert.DoesNotContain("secret", e.ToString(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Health_is_told_over_grpc_and_over_http()
    {
        var health = new Health.HealthClient(jars.Host.Channel);
        Assert.Equal(HealthCheckResponse.Types.ServingStatus.Serving, (await health.CheckAsync(new HealthCheckRequest())).Status);
        Assert.Equal("live\n", await jars.Host.Http.GetStringAsync(new Uri("/health/live", UriKind.Relative)));
        Assert.Equal((200, "ready\n"), await jars.Host.ReadyAsync());
    }
}
