using Billing.Accounts;
using Billing.Customers;
using Billing.Dunning;
using Billing.Rating;
using Billing.Sellers;
using Billing.Subscriptions;
using Contracts.Billing.V1;
using Google.Protobuf;
using Google.Protobuf.WellKnownTypes;
using Grpc.Core;
using Marten;
using V1 = Contracts.Billing.V1;

namespace Billing.Host;

/// <summary>billing.v1.Agreements.</summary>
public sealed class AgreementsService(EventStreams streams, IDocumentStore store, IdempotentCalls calls, PersonalDetails personal, Numbering numbering, BusinessClock clock) : V1.Agreements.AgreementsBase
{
    private const string Commitment = "com", Discount = "dis", Grant = "crd";

    public override Task<Account> AgreeCommitment(AgreeCommitmentRequest request, ServerCallContext context)
    {
        Ids.Parse(Ids.Subscription, request.SubscriptionId);
        var (id, from, until, at) = (IdOrNew(Commitment, request.CommitmentId), Time(request.From, "from"), Time(request.Until, "until"), clock.Now);
        return OnAccount(request.CustomerId, request, context, (customer, clocks, s) =>
            AgreeCommitmentDecision.Decide(new(id, request.SubscriptionId, new(request.AmountMicros), customer.Currency, from, until, at, clocks.Beginning(at, request.SubscriptionId), clocks.StatusOf(request.SubscriptionId)), s));
    }

    public override Task<Account> GrantDiscount(GrantDiscountRequest request, ServerCallContext context)
    {
        if (request.SubscriptionId.Length > 0) Ids.Parse(Ids.Subscription, request.SubscriptionId);
        var (id, from, until, at) = (IdOrNew(Discount, request.DiscountId), Time(request.From, "from"), Time(request.Until, "until"), clock.Now);
        var scope = request.Scope.Length == 0 ? DiscountScope.All : AccountWords.ParseScope(request.Scope);
        Percent? off = request.Percent.Length == 0 ? null : Percent.Parse(request.Percent);
        Micros? amount = request.AmountMicros == 0 ? null : new Micros(request.AmountMicros);
        return OnAccount(request.CustomerId, request, context, (customer, clocks, s) =>
            GrantDiscountDecision.Decide(new(id, request.SubscriptionId, request.Name, scope, off, amount, customer.Currency, from, until, at, clocks.Beginning(at, request.SubscriptionId), clocks.StatusOf(request.SubscriptionId), clocks.CancellationOf(request.SubscriptionId)), s));
    }

    public override Task<Account> EndAgreement(EndAgreementRequest request, ServerCallContext context)
    {
        var (until, at) = (Time(request.Until, "until"), clock.Now);
        return OnAccount(request.CustomerId, request, context, (_, clocks, s) => EndAgreementDecision.Decide(new(request.AgreementId, until, at, clocks.Ending(at, s.SubscriptionOf(request.AgreementId))), s), isEnd: true);
    }

    public override Task<Account> GrantMoneyCredit(GrantMoneyCreditRequest request, ServerCallContext context)
    {
        var (id, expires, at) = (IdOrNew(Grant, request.GrantId), Time(request.ExpiresAt, "expires_at"), clock.Now);
        return OnAccount(request.CustomerId, request, context, (customer, _, s) => GrantCreditDecision.Decide(new GrantMoneyCredit(id, request.Name, new(request.AmountMicros), customer.Currency, request.Priority, expires, at), s));
    }

    public override Task<Account> GrantTokenCredit(GrantTokenCreditRequest request, ServerCallContext context)
    {
        var (id, expires, at) = (IdOrNew(Grant, request.GrantId), Time(request.ExpiresAt, "expires_at"), clock.Now);
        var kinds = request.Kinds.Count == 0 ? Kernel.Cap.GeneratedTokens.ToValueList() : request.Kinds.Select(TokenNames.ParseKind).ToValueList();
        return OnAccount(request.CustomerId, request, context, (_, _, s) => GrantCreditDecision.Decide(new GrantTokenCredit(id, request.Name, request.Tokens, kinds, request.Priority, expires, at), s));
    }

    public override async Task<Account> SetTaxTreatment(SetTaxTreatmentRequest request, ServerCallContext context)
    {
        var ct = context.CancellationToken;
        var (treatment, from, at, seller) = (AccountWords.ParseTreatment(request.Treatment), Time(request.From, "from"), clock.Now, await LoadSeller(ct));
        var customer = await Customer(request.CustomerId, ct);
        NotErased(request.CustomerId, customer);
        var salt = request.Note.Length > 0 ? await personal.Salt(request.CustomerId, ct) : [];
        var sha256 = request.Note.Length > 0 ? PersonalDetails.NoteSha256(request.Note, salt) : "";
        // What is kept with an idempotency-key is kept for ever: neither the note nor a hash that it can be guessed from.
        var redacted = new SetTaxTreatmentRequest(request) { Note = sha256 };
        var account = await OnAccount(
            request.CustomerId, redacted, context, (_, clocks, s) => SetTaxTreatmentDecision.Decide(new(request.Jurisdiction, treatment, request.Note, sha256, seller, from, at, clocks.Beginning(at), from is { } shown ? clocks.FirstMoment(shown) : at), s),
            session => { if (sha256.Length > 0) PersonalDetails.KeepNote(session, request.CustomerId, request.Note, salt); });
        return await WithNote(account, ct);
    }

    public override async Task<Account> GetAccount(GetAccountRequest request, ServerCallContext context)
    {
        var ct = context.CancellationToken;
        var customer = await Customer(request.CustomerId, ct);
        return await WithNote(
            Answer(request.CustomerId, customer, await streams.Load<AccountState, AccountEvent>(AccountIds.Of(request.CustomerId), AccountState.Initial, AccountState.Evolve, ct), await LoadSeller(ct)), ct);
    }

    private async Task<Account> WithNote(Account account, CancellationToken ct)
    {
        if (account.TaxNoteSha256.Length > 0) account.TaxNote = await personal.FindNote(account.CustomerId, account.TaxNoteSha256, ct) ?? "";
        return account;
    }

    public override Task<Seller> DescribeSeller(DescribeSellerRequest request, ServerCallContext context)
    {
        var at = clock.Now;
        return OnSeller(request, context, s => DescribeSellerDecision.Decide(
            new(request.Name, request.AddressLines.ToValueList(), request.TaxId, request.Email, request.PaymentInstructions, request.PaymentTermsDays, at, request.Country, request.NotSubjectToVat), s));
    }

    public override Task<Seller> SetTaxRate(SetTaxRateRequest request, ServerCallContext context)
    {
        var (rate, from, at) = (Percent.Parse(request.Percent), Time(request.From, "from"), clock.Now);
        return OnSeller(request, context, s => SetTaxRateDecision.Decide(new(request.Jurisdiction, request.Product, request.Name, rate, from, at), s));
    }

    public override Task<Seller> SetDunningSchedule(SetDunningScheduleRequest request, ServerCallContext context)
    {
        var at = clock.Now;
        var schedule = request.Schedule is { } s ? new Billing.Dunning.DunningSchedule(s.StepDays.ToValueList(), s.FinalDay, DunningWords.ParseAction(s.FinalAction)) : null;
        return OnSeller(request, context, s => SetDunningScheduleDecision.Decide(new(schedule, at), s));
    }

    public override Task<Seller> ContinueNumbering(ContinueNumberingRequest request, ServerCallContext context) => calls.Once<Seller>(context, request, async remember =>
    {
        var ct = context.CancellationToken;
        await numbering.Continue(request.Series, request.LastNumber, clock.Now, CallerAttribution.Of(context), (session, s) => remember(session, Answer(s)), ct);
        return Answer(await LoadSeller(ct));
    });

    public override async Task<Seller> GetSeller(GetSellerRequest request, ServerCallContext context) => Answer(await LoadSeller(context.CancellationToken));

    private Task<Account> OnAccount(
        string customerId, IMessage request, ServerCallContext context, Func<CustomerState.Known, CustomerClocks, AccountState, Decision<AccountEvent>> decide,
        Action<IDocumentSession>? alongside = null, bool isEnd = false) => calls.Once<Account>(context, request, async remember =>
    {
        var ct = context.CancellationToken;
        var seller = await LoadSeller(ct);
        var (customer, id, by) = (await Customer(customerId, ct), AccountIds.Of(customerId), CallerAttribution.Of(context));
        // What was agreed before may still end.
        if (!isEnd) NotErased(customerId, customer);
        var clocks = await CustomerClocks.Load(store, customerId, customer.TimeZone, ct);
        (await streams.Transact<AccountState, AccountEvent>(
            id, AccountState.Initial, AccountState.Evolve, s => decide(customer, clocks, s).By(by), ct, (written, s) =>
            {
                alongside?.Invoke(written);
                remember(written, Answer(customerId, customer, s, seller));
            })).OrThrow();
        return Answer(customerId, customer, await streams.Load<AccountState, AccountEvent>(id, AccountState.Initial, AccountState.Evolve, ct), seller);
    });

    private static void NotErased(string customerId, CustomerState.Known customer)
    {
        if (customer.ErasedAt is not null) throw new Refusal("customer_erased", $"the details of {customerId} were erased: create a new customer").AsException();
    }

    private Task<Seller> OnSeller(IMessage request, ServerCallContext context, Func<SellerState, Decision<SellerEvent>> decide) => calls.Once<Seller>(context, request, async remember =>
    {
        var (ct, by) = (context.CancellationToken, CallerAttribution.Of(context));
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

    /// <summary>Tax as it holds now; what is agreed for a later day only counts where nothing else is known.</summary>
    private Account Answer(string customerId, CustomerState.Known customer, AccountState s, SellerState seller)
    {
        var (now, identity) = (clock.Now, new TaxIdentity(customer.Tax is { } set ? [set] : [], 0));
        var terms = RatingTerms.Of(new Dictionary<string, Menus.MenuTerms>()) with { Account = s, Seller = seller, Identity = identity };
        var today = new CustomerClocks(customer.TimeZone, new Dictionary<string, SubscriptionState.Known>()).Beginning(now);
        var tax = terms.TaxOn(today, now);
        var account = new Account
        {
            CustomerId = customerId, Version = s.Version, Currency = customer.Currency.Code, Jurisdiction = tax?.Jurisdiction ?? "", Treatment = tax?.Treatment.Name() ?? "", TaxNote = tax?.Note ?? "",
            TaxNoteSha256 = tax?.NoteSha256 ?? "", TaxFrom = tax?.From?.ToTimestamp(), TaxSource = tax is null ? "none" : tax == terms.IdentityOn(today, now) ? "identity" : "agreed",
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
            var grant = new V1.CreditGrant { GrantId = g.GrantId, Name = g.Name, Granted = g.Granted, Left = g.Left, Priority = g.Priority, ExpiresAt = s.ExpiryOf(g)?.ToTimestamp() };
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
            PaymentTermsDays = s.PaymentTermsDays, Country = s.Seller?.Country ?? "", NotSubjectToVat = s.Seller?.NotSubjectToVat ?? false,
        };
        if (s.Dunning is { } dunning) seller.Dunning = new() { StepDays = { dunning.StepDays }, FinalDay = dunning.FinalDay, FinalAction = dunning.FinalAction.Name() };
        seller.AddressLines.AddRange(s.Seller?.AddressLines ?? []);
        seller.Rates.AddRange(s.Rates.Select(r => new V1.TaxRate { Jurisdiction = r.Jurisdiction, Product = r.Product, Name = r.Name, Percent = r.Rate.ToString(), From = r.From.ToTimestamp(), FromNow = r.FromNow == true }));
        seller.Continued.AddRange(s.Continued.Select(c => new ContinuedSeries { Series = c.Series, LastNumber = c.LastNumber }));
        return seller;
    }
}
