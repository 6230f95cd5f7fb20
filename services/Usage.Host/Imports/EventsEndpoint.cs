using Microsoft.AspNetCore.Mvc;
using Microsoft.Extensions.Options;

namespace Usage.Host.Imports;

/// <summary>A whole request that is refused; faults of single events are told apart from it.</summary>
public sealed class RefusedImportException(int status, string reason, string detail) : Exception(detail)
{
    public int Status { get; } = status;
    public string Reason { get; } = reason;
}

/// <summary>
/// POST /api/v1/events, as OpenMeter has it: 204 when every event is committed, else problem details (RFC 9457) with the reason and, for
/// faulty events, where each stands and what is wrong with it. A 503 may have taken some: the same request again counts nothing twice.
/// </summary>
public sealed class EventsEndpoint(EventImport import, CallerBounds bounds, ServingGate gate, IOptions<UsageOptions> options, ILogger<EventsEndpoint> log)
{
    public const string Path = "/api/v1/events";

    public async Task<IResult> PostAsync(HttpContext context)
    {
        using var within = CancellationTokenSource.CreateLinkedTokenSource(context.RequestAborted);
        within.CancelAfter(TimeSpan.FromSeconds(options.Value.ImportSecondsMax));
        try
        {
            gate.ThrowUnlessServing();
            using var place = bounds.Imports.Enter(Caller.NameOf(context));
            var events = await EventsRequest.ReadAsync(context.Request, options.Value, within.Token);
            var faults = await import.TakeAsync(events, within.Token);
            return faults.Count == 0 ? Results.NoContent() : Faulty(faults, events.Count);
        }
        catch (RefusedImportException e)
        {
            return Problem(context, e.Status, e.Reason, e.Message);
        }
        catch (RefusedException e)
        {
            return Problem(context, e.Refusal.Code == Reasons.ImportsTooMany ? StatusCodes.Status429TooManyRequests : StatusCodes.Status503ServiceUnavailable, e.Refusal.Code, e.Refusal.Detail);
        }
        catch (OperationCanceledException) when (!context.RequestAborted.IsCancellationRequested)
        {
            return Problem(context, StatusCodes.Status503ServiceUnavailable, Reasons.ImportTooSlow, $"it took longer than {options.Value.ImportSecondsMax} s; send the same again, in smaller batches");
        }
        catch (Exception e) when (StoreFailure.Is(e))
        {
            log.LogWarning("importing: the database does not answer: {Cause}", StoreFailure.Cause(e));
            return Problem(context, StatusCodes.Status503ServiceUnavailable, Reasons.StoreUnavailable, "the database does not answer; send the same again in a few seconds");
        }
        catch (Exception e) when (e is OperationCanceledException or IOException)
        {
            // It is the caller's connection that broke: nobody hears this.
            return Results.StatusCode(StatusCodes.Status499ClientClosedRequest);
        }
        catch (Exception e)
        {
            log.LogError(e, "importing failed");
            return Problem(context, StatusCodes.Status500InternalServerError, "internal", "the service failed; its log says why; send the same again");
        }
    }

    private static IResult Faulty(IReadOnlyList<EventFault> faults, int events)
    {
        // A key that is taken stays taken; everything else may be mended and sent again.
        var status = faults.All(f => f.Reason is Reasons.EventReused or Reasons.EventTooOld) ? StatusCodes.Status409Conflict : StatusCodes.Status400BadRequest;
        return Results.Problem(new ProblemDetails
        {
            Status = status,
            Title = "Faulty events",
            Detail = $"{faults.Count} of {events} events cannot be taken, so none was: mend or leave out the ones listed, and send the rest again",
            Extensions = { ["reason"] = faults[0].Reason, ["events"] = faults.OrderBy(f => f.Index) },
        });
    }

    private static IResult Problem(HttpContext context, int status, string reason, string detail)
    {
        if (status is StatusCodes.Status429TooManyRequests or StatusCodes.Status503ServiceUnavailable) context.Response.Headers.RetryAfter = "1";
        return Results.Problem(new ProblemDetails { Status = status, Title = "Not imported", Detail = detail, Extensions = { ["reason"] = reason } });
    }
}
