using System.Text;
using Billing.Audit;
using Billing.Invoices;
using Billing.Menus;
using Billing.Periods;
using Billing.Rating;
using Billing.Sellers;
using Contracts.Billing.V1;
using Google.Protobuf.WellKnownTypes;
using Grpc.Core;
using Marten;
using InvoiceFinalized = Billing.Invoices.InvoiceFinalized;
using MenuTerms = Billing.Menus.MenuTerms;

namespace Billing.Host;

/// <summary>
/// Past periods under other terms. Each invoice is rated by itself, from the events and agreements that it was made of: credit that an earlier invoice drew
/// stays drawn. One that was voided demands nothing, and would not by other terms.
/// </summary>
public sealed partial class AuditService
{
    public override async Task WhatIf(WhatIfRequest request, IServerStreamWriter<WouldBeInvoice> responseStream, ServerCallContext context)
    {
        var ct = context.CancellationToken;
        if (request.SubscriptionId.Length > 0) Ids.Parse(Ids.Subscription, request.SubscriptionId);
        if (request.MenuId.Length > 0) Ids.Parse(Ids.Menu, request.MenuId);
        if (request.RatingVersion is < 0 or > RatingVersions.Latest) throw new FormatException($"rating_version is from 1 to {RatingVersions.Latest}, or 0 for that of the invoice");
        var (from, to) = (request.From?.ToTime("from") ?? DateTimeOffset.MinValue, request.To?.ToTime("to") ?? DateTimeOffset.MaxValue);
        await using var snapshot = await AuditSnapshot.Open(database, ct);
        await using var session = snapshot.Session(store);
        var other = Other(request, await OtherMenu(session, request.MenuId, ct));
        for (long after = 0; ;)
        {
            var page = await InvoiceReplay.FinalsAsync(session, after, "", ct);
            if (page.Count == 0) return;
            after = page[^1].Sequence;
            // Whose it is cannot be said either.
            foreach (var e in page)
                if (e.Data is UnreadableEvent unreadable) await responseStream.WriteAsync(new() { InvoiceId = e.Stream, Fault = unreadable.Fault.Message }, ct);
            var finals = page.Where(e => e.Data is InvoiceFinalized).Select(e => (Id: e.Stream, Event: e.Body<InvoiceFinalized>())).Where(f => request.SubscriptionId is "" || request.SubscriptionId == f.Event.SubscriptionId).ToArray();
            var streams = await StoredStreams.ReadAsync(session, finals.SelectMany(f => new[] { f.Event.PeriodId, f.Id }), ct);
            // Which period it is cannot be said: it is told of whatever was asked for.
            foreach (var f in finals)
                if (InvoiceReplay.Fault(streams, f.Id, f.Event) is { } fault) await responseStream.WriteAsync(CannotBe(f.Id, f.Event, null, fault), ct);
            var past = finals.Where(f => InvoiceReplay.Fault(streams, f.Id, f.Event) is null && streams.Invoice(f.Id) is not InvoiceState.Voided)
                .Select(f => (f.Id, f.Event, (streams.Period(f.Event.PeriodId) as PeriodState.Closed)?.Facts)).Where(f => f.Facts is { } facts && facts.Start >= from && facts.Start < to).ToArray();
            var terms = await StoredTerms.ReadAsync(session, [.. past.Select(f => f.Facts!)], ct);
            foreach (var (id, final, facts) in past)
                await responseStream.WriteAsync(WouldBe(id, final, facts!, (streams.Invoice(id) as InvoiceState.Finalized)?.Terms, terms, other), ct);
        }
    }

    private static WouldBeInvoice WouldBe(string id, InvoiceFinalized final, PeriodFacts facts, InvoiceTermsCut? cut, StoredTerms stored, OtherTerms other)
    {
        try
        {
            return Rated(id, final, facts, cut, stored, other);
        }
        catch (Exception e) when (CorruptStreamException.IsOfAFold(e))
        {
            return CannotBe(id, final, facts, e.Message);
        }
    }

    private static WouldBeInvoice CannotBe(string id, InvoiceFinalized final, PeriodFacts? facts, string fault) => new()
    {
        InvoiceId = id, Number = final.Number, SubscriptionId = final.SubscriptionId, PeriodId = final.PeriodId, PeriodStart = facts?.Start.ToTimestamp(), Currency = final.Currency.Code,
        IssuedMicros = final.TotalMicros.Value, Fault = fault,
    };

    private static WouldBeInvoice Rated(string id, InvoiceFinalized final, PeriodFacts facts, InvoiceTermsCut? cut, StoredTerms stored, OtherTerms other)
    {
        var now = stored.Now(facts);
        // An invoice of before version 4 does not name the accounts that late usage is rated by: they are those of the invoices that it adjusts. One of before version 9 does not name which of these were void.
        var own = cut is null ? now : stored.At(facts, cut);
        if (own.EarlierAccounts.Count == 0) own = own with { EarlierAccounts = now.EarlierAccounts };
        if ((cut?.RatingVersion ?? 0) < RatingVersions.VoidNotGivenBack) own = own with { VoidedPeriods = stored.VoidedBy(facts, final.At) };
        var (terms, refusal) = other.InPlaceOf(own, facts);
        if (refusal is { } refused) return CannotBe(id, final, facts, $"{refused.Code}: {refused.Detail}");
        if (other.RatingVersion is { } version)
            cut = version == RatingVersions.PlansAlone ? null : (cut ?? new("", 0, 0, final.At, final.At)) with { RatingVersion = version };
        var document = InvoiceDocument.Finalized(facts, terms!, final.Number, cut, final.At);
        return new()
        {
            InvoiceId = id, Number = final.Number, SubscriptionId = final.SubscriptionId, PeriodId = final.PeriodId, PeriodStart = facts.Start.ToTimestamp(), Currency = final.Currency.Code,
            IssuedMicros = final.TotalMicros.Value, WouldBeMicros = document.Rated.TotalMicros.Value, WouldBeDocument = Encoding.UTF8.GetString(document.ToUtf8()),
        };
    }

    private static OtherTerms Other(WhatIfRequest request, MenuTerms? menu)
    {
        foreach (var plan in request.Plans.SelectMany(p => new[] { p.PlanId, p.InsteadPlanId }).Concat(request.Fees.Select(f => f.PlanId))) Ids.Parse(Ids.Plan, plan);
        return new(
            menu, request.Plans.ToDictionary(p => p.PlanId, p => p.InsteadPlanId), request.Fees.ToDictionary(f => f.PlanId, f => new Micros(f.PeriodFeeMicros)),
            [.. request.TaxRates.Select(r => new TaxRateSet(r.Jurisdiction, r.Product, r.Name, Percent.Parse(r.Percent), DateTimeOffset.MinValue, DateTimeOffset.MinValue))],
            request.RatingVersion == 0 ? null : request.RatingVersion);
    }

    private static async Task<MenuTerms?> OtherMenu(IQuerySession session, string menuId, CancellationToken ct)
    {
        if (menuId.Length == 0) return null;
        return (await StoredStreams.ReadAsync(session, [menuId], ct)).Menu(menuId) is MenuState.Received received
            ? received.Terms
            : throw new Refusal("menu_unknown", $"billing has not received {menuId}: publish it first").AsException();
    }
}
