using Billing.Customers;
using Grpc.Core;
using Marten;
using Contracts.Billing.V1;
using Customer = Contracts.Billing.V1.Customer;

namespace Billing.Host;

public sealed partial class BillingService
{
    public override Task<Customer> CreateCustomer(CreateCustomerRequest request, ServerCallContext context) => calls.Once<Customer>(context, request, remember =>
    {
        var command = new CreateCustomer(request.Currency, request.Reference, clock.Now);
        return Decide(IdOrNew(Ids.Customer, request.CustomerId), s => CreateCustomerDecision.Decide(command, s), remember, null, context);
    });

    public override async Task<Customer> GetCustomer(GetCustomerRequest request, ServerCallContext context)
    {
        var known = await KnownCustomer(request.CustomerId, context.CancellationToken);
        return Wire.Customer(request.CustomerId, known, await personal.Find(request.CustomerId, known.DetailsSha256, context.CancellationToken));
    }

    public override async Task<ListCustomersResponse> ListCustomers(ListCustomersRequest request, ServerCallContext context)
    {
        var (size, after) = (Pages.Size(request.PageSize), PageToken(Ids.Customer, request.PageToken));
        await using var session = store.QuerySession();
        var views = await session.Query<CustomerView>().Where(c => c.Id.CompareTo(after) > 0).OrderBy(c => c.Id).Take(size + 1).ToListAsync(context.CancellationToken);
        var response = new ListCustomersResponse { NextPageToken = views.Count > size ? views[size - 1].Id : "" };
        response.Customers.AddRange(views.Take(size).Select(v => Wire.Customer(v.Id, v.State)));
        return response;
    }

    public override async Task<Customer> RecordCustomerDetails(RecordCustomerDetailsRequest request, ServerCallContext context)
    {
        var ct = context.CancellationToken;
        await KnownCustomer(request.CustomerId, ct);
        var details = Wire.Details(request.Details);
        var salt = await personal.Salt(request.CustomerId, ct);
        var command = new RecordCustomerDetails(details, details.Sha256(salt), clock.Now);
        // What is kept with an idempotency-key is kept for ever: the hash of this request must not be one that names can be guessed from.
        var redacted = new Customer { CustomerId = request.CustomerId, DetailsSha256 = command.DetailsSha256 };
        return await calls.Once<Customer>(context, redacted, remember => Decide(
            request.CustomerId, s => RecordCustomerDetailsDecision.Decide(command, s), remember, session => PersonalDetails.Keep(session, request.CustomerId, details, salt), context));
    }

    public override Task<Customer> SetCustomerTax(SetCustomerTaxRequest request, ServerCallContext context) => calls.Once<Customer>(context, request, remember =>
    {
        var tax = request.Tax ?? throw new FormatException("tax is missing: expected a country and a status");
        var command = new SetCustomerTax(tax.Country, tax.Region, Wire.ParseTaxStatus(tax.Status), clock.Now);
        return Decide(request.CustomerId, s => SetCustomerTaxDecision.Decide(command, s), remember, null, context);
    });

    public override Task<Customer> SetCustomerTimeZone(SetCustomerTimeZoneRequest request, ServerCallContext context) => calls.Once<Customer>(context, request, remember =>
    {
        var command = new SetCustomerTimeZone(request.TimeZone, clock.Now);
        return Decide(request.CustomerId, s => SetCustomerTimeZoneDecision.Decide(command, s), remember, null, context);
    });

    public override Task<Customer> EraseCustomer(EraseCustomerRequest request, ServerCallContext context) => calls.Once<Customer>(context, request, async remember =>
    {
        Ids.Parse(Ids.Customer, request.CustomerId);
        var erased = await erasing.Erase(
            request.CustomerId, CallerAttribution.Of(context), (session, s) => remember(session, Wire.Customer(request.CustomerId, (CustomerState.Known)s)), context.CancellationToken);
        return Wire.Customer(request.CustomerId, (CustomerState.Known)erased);
    });

    private async Task<Customer> Decide(
        string id, Func<CustomerState, Decision<CustomerEvent>> decide, Action<IDocumentSession, Customer> remember, Action<IDocumentSession>? alongside, ServerCallContext context)
    {
        var (ct, by) = (context.CancellationToken, CallerAttribution.Of(context));
        Ids.Parse(Ids.Customer, id);
        (await streams.Transact<CustomerState, CustomerEvent>(
            id, CustomerState.Initial, CustomerState.Evolve, s => decide(s).By(by), ct,
            (session, s) =>
            {
                alongside?.Invoke(session);
                remember(session, Wire.Customer(id, (CustomerState.Known)s));
            })).OrThrow();
        return Wire.Customer(id, await KnownCustomer(id, ct));
    }

    private async Task<CustomerState.Known> KnownCustomer(string id, CancellationToken ct)
    {
        Ids.Parse(Ids.Customer, id);
        return await streams.Load<CustomerState, CustomerEvent>(id, CustomerState.Initial, CustomerState.Evolve, ct) as CustomerState.Known
            ?? throw new Refusal("customer_unknown", $"there is no customer {id}: create it first").AsException();
    }
}
