using Contracts.Billing.V1;
using Google.Rpc;
using Grpc.Core;

namespace EndToEnd.Tests;

public sealed class When_a_menu_is_retired
{
    [Fact]
    public async Task Billing_sells_it_to_nobody_and_those_who_have_it_keep_it()
    {
        await using var company = await Company.OpenAsync([]);
        await company.PublishMenuAsync();
        var subscription = (await company.SubscribeAsync(1))[0];
        await company.Deployment.PlanDesign.RetireMenuAsync(new() { MenuId = company.Menu.MenuId, Actor = "ada", Reason = "a better one is on sale" });
        await Eventually.True(
            async () => (await company.Deployment.Billing.GetMenuTermsAsync(new() { MenuId = company.Menu.MenuId })).RetiredAt is not null, "billing heard that the menu is off sale");

        Assert.Equal("menu_retired", await Reason(() => company.SubscribeAsync(1, first: 1)));
        Assert.Equal("menu_retired", await Reason(async () => await company.Deployment.Billing.ChangePlanAsync(
            new() { SubscriptionId = subscription.SubscriptionId, PlanId = company.Menu.Plans[1].PlanId, When = EffectiveWhen.PeriodEnd })));

        await company.AdvanceAsync(Company.Jan1.AddMonths(2).AddHours(2));
        await Eventually.True(async () => (await company.FinalInvoicesAsync()).Count == 2, "both months are invoiced");
        Assert.All(await company.FinalInvoicesAsync(), i => Assert.Equal(company.Menu.Plans[0].PeriodFeeMicros, i.TotalMicros));
    }

    private static async Task<string> Reason(Func<Task> call) => (await Assert.ThrowsAsync<RpcException>(call)).GetRpcStatus()!.GetDetail<ErrorInfo>()!.Reason;
}
