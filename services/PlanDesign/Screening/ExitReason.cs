namespace PlanDesign.Screening;

/// <summary>Why the solver stopped, so that no result is mistaken for a better one than it is.</summary>
public enum ExitReason
{
    /// <summary>
    /// The menu is the best of its kind (unlimited, at most K plans, or in minor units) on its grid of types and caps, proved by the bound.
    /// </summary>
    Optimal,

    /// <summary>No plan earns anything: serving costs at least what anybody pays. Profit 0, no tiers.</summary>
    NotWorthServing,

    /// <summary>
    /// Prices in minor units are the best for the caps of the exact menu, for the grid is too large to try all caps. A valid menu, not
    /// proved best in that unit.
    /// </summary>
    RoundedOnMenuCaps,

    /// <summary>
    /// With value at the cap, or in minor units with it: a valid menu, whose profit every other menu exceeds by at most the gap of the certificate. Not
    /// proved best.
    /// </summary>
    WithinBound,

    /// <summary>The certificate leaves a gap or a violation above its tolerance. Do not publish; the figures say how much.</summary>
    NotCertified,

    /// <summary>The input is refused; the fault names the field. No figure is meaningful.</summary>
    InvalidInput,
}
