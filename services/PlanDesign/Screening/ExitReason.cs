namespace PlanDesign.Screening;

/// <summary>Why the solver stopped, so that no result is mistaken for a better one than it is.</summary>
public enum ExitReason
{
    /// <summary>
    /// The menu is the best of its kind on its grid of types and caps. At exact prices (unlimited or at most K plans) the bound proves it. In minor
    /// units a recursion over the certificate's own tables, against the direction of the search, finds no more than the search did, under rules on prices
    /// too. Where urgency is continuous that is the best for the types that stand for it: the
    /// bound of the certificate, or of the rounding, says how much more another menu could earn in the market itself.
    /// </summary>
    Optimal,

    /// <summary>
    /// No plan earns anything: serving costs at least what anybody pays, or in minor units none can be priced above its cost. Profit 0, no tiers. Proved as
    /// <see cref="Optimal"/> is: where urgency is continuous, for the types that stand for it.
    /// </summary>
    NotWorthServing,

    /// <summary>
    /// Prices in minor units are the best for the caps of the exact menu and others evenly between them, for the grid is too large to try all. A valid
    /// menu, not proved best in that unit; without tiers none of these caps earns anything in it, and another may.
    /// </summary>
    RoundedOnMenuCaps,

    /// <summary>
    /// A valid menu that is not proved best. With value at the cap every other menu exceeds its profit by at most the gap of the certificate; under rules on
    /// prices, where they were too many to try, or too many for separate code to try again, no menu from these types earns more than the bound of its rounding.
    /// </summary>
    WithinBound,

    /// <summary>The certificate leaves a gap or a violation above its tolerance. Do not publish; the figures say how much.</summary>
    NotCertified,

    /// <summary>The input is refused; the fault names the field. No figure is meaningful.</summary>
    InvalidInput,
}
