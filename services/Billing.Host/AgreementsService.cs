using Billing.Accounts;
using Billing.Customers;
using Billing.Rating;
using Billing.Sellers;
using Contracts.Billing.V1;
using Google.Protobuf;
using Google.Protobuf.WellKnownTypes;
using Grpc.Core;
using V1 = Contracts.Billing.V1;

namespace Billing.Host;

/// <summary>billing.v1.Agreements.</summary>
public sealed class AgreementsService(EventStreams streams, IdempotentCalls calls, CallerAttribution attribution, BusinessClock clock) : V1.Agreements.AgreementsBase
{
    private const string Commitment = "com", Discount = "dis", Grant = "crd";

    public override Task<Account> AgreeCommitment(AgreeCommitmentRequest request, ServerCallContext context)
    {
        Ids.Parse(Ids.Subscription, request.SubscriptionId);
        var (id, from, until, at) = (IdOrNew(Commitment, request.CommitmentId), Time(request.From, "from") ?? clock.Now, Time(request.Until, "until"), clock.Now);
        return OnAccount(request.CustomerId, request, context, (customer, s) => AgreeCommitmentDecision.Decide(new(id, request.SubscriptionId, new(request.AmountMicros), customer.Currency, from, until, at), s));
    }

    public override Task<Account> GrantDiscount(GrantDiscountRequest request, ServerCallContext context)
    {
        if (request.SubscriptionId.Length > 0) Ids.Parse(Ids.Subscription, request.SubscriptionId);
        var (id, from, until, at) = (IdOrNew(Discount, request.DiscountId), Time(request.From, "from") ?? clock.Now, Time(request.Until, "until"), clock.Now);
        var scope = request.Scope.Length == 0 ? DiscountScope.All : AccountWords.ParseScope(request.Scope);
        Percent? off = request.Percent.Length == 0 ? null : Percent.Parse(request.Percent);
        Micros? amount = request.AmountMicros == 0 ? null : new Micros(request.AmountMicros);
        return OnAccount(request.CustomerId, request, context, (customer, s) => GrantDiscountDecision.Decide(new(id, request.SubscriptionId, request.Name, scope, off, amount, customer.Currency, from, until, at), s));
    }

    public override Task<Account> EndAgreement(EndAgreementRequest request, ServerCallContext context)
    {
        var (until, at) = (Time(request.Until, "until") ?? clock.Now, clock.Now);
        return OnAccount(request.CustomerId, request, context, (_, s) => EndAgreementDecision.Decide(new(request.AgreementId, until, at), s));
    }

    public override Task<Account> GrantMoneyCredit(GrantMoneyCreditRequest request, ServerCallContext context)
    {
        var (id, expires, at) = (IdOrNew(Grant, request.GrantId), Time(request.ExpiresAt, "expires_at"), clock.Now);
        return OnAccount(request.CustomerId, request, context, (customer, s) => GrantCreditDecision.Decide(new GrantMoneyCredit(id, request.Name, new(request.AmountMicros), customer.Currency, request.Priority, expires, at), s));
    }

    public override Task<Account> GrantTokenCredit(GrantTokenCreditRequest request, ServerCallContext context)
    {
        var (id, expires, at) = (IdOrNew(Grant, request.GrantId), Time(request.ExpiresAt, "expires_at"), clock.Now);
        var kinds = request.Kinds.Count == 0 ? Kernel.Cap.GeneratedTokens.ToValueList() : request.Kinds.Select(TokenNames.ParseKind).ToValueList();
        return OnAccount(request.CustomerId, request, context, (_, s) => GrantCreditDecision.Decide(new GrantTokenCredit(id, request.Name, request.Tokens, kinds, request.Priority, expires, at), s));
    }

    public override async Task<Account> SetTaxTreatment(SetTaxTreatmentRequest request, ServerCallContext context)
    {
        var (treatment, at) = (AccountWords.ParseTreatment(request.Treatment), clock.Now);
        var seller = await LoadSeller(context.CancellationToken);
        return await OnAccount(request.CustomerId, request, context, (_, s) => SetTaxTreatmentDecision.Decide(new(request.Jurisdiction, treatment, request.Note, seller, at), s));
    }

    public override async Task<Account> GetAccount(GetAccountRequest request, ServerCallContext context)
    {
        var customer = await Customer(request.CustomerId, context.CancellationToken);
        return Answer(request.CustomerId, customer, await streams.Load<AccountState, AccountEvent>(AccountIds.Of(request.CustomerId), AccountState.Initial, AccountState.Evolve, context.CancellationToken));
    }

    public override Task<Seller> DescribeSeller(DescribeSellerRequest request, ServerCallContext context)
    {
        var at = clock.Now;
        return OnSeller(request, context, s => DescribeSellerDecision.Decide(new(request.Name, request.AddressLines.ToValueList(), request.TaxId, request.Email, request.PaymentInstructions, request.PaymentTermsDays, at), s));
    }

    public override Task<Seller> SetTaxRate(SetTaxRateRequest request, ServerCallContext context)
    {
        var (rate, from, at) = (Percent.Parse(request.Percent), Time(request.From, "from") ?? clock.Now, clock.Now);
        return OnSeller(request, context, s => SetTaxRateDecision.Decide(new(request.Jurisdiction, request.Product, request.Name, rate, from, at), s));
    }

    public override async Task<Seller> GetSeller(GetSellerRequest request, ServerCallContext context) => Answer(await LoadSeller(context.CancellationToken));

    private Task<Account> OnAccount(
        string customerId, IMessage request, ServerCallContext context, Func<CustomerState.Known, AccountState, Decision<AccountEvent>> decide) => calls.Once<Account>(context, request, async remember =>
    {
        var ct = context.CancellationToken;
        var (customer, id, by) = (await Customer(customerId, ct), AccountIds.Of(customerId), attribution.Of(context));
        (await streams.Transact<AccountState, AccountEvent>(
            id, AccountState.Initial, AccountState.Evolve, s => decide(customer, s).By(by), ct, (session, s) => remember(session, Answer(customerId, customer, s)))).OrThrow();
        return Answer(customerId, customer, await streams.Load<AccountState, AccountEvent>(id, AccountState.Initial, AccountState.Evolve, ct));
    });

    private Task<Seller> OnSeller(IMessage request, ServerCallContext context, Func<SellerState, Decision<SellerEvent>> decide) => calls.Once<Seller>(context, request, async remember =>
    {
        var (ct, by) = (context.CancellationToken, attribution.Of(context));
        (await streams.Transact<SellerState, SellerEvent>(SellerState.StreamId, SellerState.Initial, SellerState.Evolve, s => decide(s).By(by), ct, (session, s) => remember(session, Answer(s)))).OrThrow();
        return Answer(await LoadSeller(ct));
    });

    private async Task<CustomerState.Known> Customer(string id, CancellationToken ct)
    {
        Ids.Parse(Ids.Customer, id);
        return await streams.Load<CustomerState, CustomerEvent>(id, CustomerState.Initial, CustomerState.Evolve, ct) as CustomerState.Known
            ?? throw new Refusal("customer_unknown", $"there is no customer {id}: create it first").AsException();
    }

    private Task<SellerState> LoadSeller(CancellationToken ct) => streams.Load<SellerState, SellerEvent>(SellerState.StreamId, SellerState.Initial, SellerState.Evolve, ct);

    private string IdOrNew(string prefix, string given)
    {
        if (given.Length == 0) return Ids.New(prefix, clock.Now);
        Ids.Parse(prefix, given);
        return given;
    }

    private static DateTimeOffset? Time(Timestamp? time, string field) => time is null ? null : time.ToTime(field);

    private static Account Answer(string customerId, CustomerState.Known customer, AccountState s)
    {
        var account = new Account
        {
            CustomerId = customerId, Version = s.Version, Currency = customer.Currency.Code, Jurisdiction = s.Tax?.Jurisdiction ?? "", Treatment = s.Tax?.Treatment.Name() ?? "", TaxNote = s.Tax?.Note ?? "",
        };
        account.Commitments.AddRange(s.Commitments.Select(c => new V1.Commitment
        {
            CommitmentId = c.CommitmentId, SubscriptionId = c.SubscriptionId, AmountMicros = c.AmountMicros.Value, From = c.From.ToTimestamp(), Until = s.EndOf(c.CommitmentId, c.Until)?.ToTimestamp(),
        }));
        account.Discounts.AddRange(s.Discounts.Select(d => new V1.Discount
        {
            DiscountId = d.DiscountId, SubscriptionId = d.SubscriptionId, Name = d.Name, Scope = d.Scope.Name(), Percent = d.Off?.ToString() ?? "", AmountMicros = d.OffMicros?.Value ?? 0,
            From = d.From.ToTimestamp(), Until = s.EndOf(d.DiscountId, d.Until)?.ToTimestamp(),
        }));
        account.Credit.AddRange(s.Credit.Select(g =>
        {
            var grant = new V1.CreditGrant { GrantId = g.GrantId, Name = g.Name, Granted = g.Granted, Left = g.Left, Priority = g.Priority, ExpiresAt = g.ExpiresAt?.ToTimestamp() };
            grant.Kinds.AddRange(g.Kinds.Select(k => k.Name()));
            return grant;
        }));
        return account;
    }

    private static Seller Answer(SellerState s)
    {
        var seller = new Seller
        {
            Version = s.Version, Name = s.Seller?.Name ?? "", TaxId = s.Seller?.TaxId ?? "", Email = s.Seller?.Email ?? "", PaymentInstructions = s.Seller?.PaymentInstructions ?? "",
            PaymentTermsDays = s.PaymentTermsDays,
        };
        seller.AddressLines.AddRange(s.Seller?.AddressLines ?? []);
        seller.Rates.AddRange(s.Rates.Select(r => new V1.TaxRate { Jurisdiction = r.Jurisdiction, Product = r.Product, Name = r.Name, Percent = r.Rate.ToString(), From = r.From.ToTimestamp() }));
        return seller;
    }
}
