namespace PlanDesign.Host;

/// <summary>Who may call what of plan design. Menus are read by whoever sells, bills or audits them.</summary>
public static class PlanDesignAccess
{
    private const string PlanDesign = "plan_design.v1.PlanDesign/";
    private const Scope Readers = Scope.Analyst | Scope.Finance | Scope.Auditor | Scope.Service;

    public static MethodScopes Methods => new(new Dictionary<string, Scope>
    {
        [PlanDesign + "SolveMenu"] = Scope.Analyst,
        [PlanDesign + "CompareMenus"] = Scope.Analyst,
        [PlanDesign + "GetFrontier"] = Scope.Analyst,
        [PlanDesign + "EstimateMarket"] = Scope.Analyst,
        [PlanDesign + "DraftMenu"] = Scope.Analyst,
        [PlanDesign + "PublishMenu"] = Scope.Analyst,
        [PlanDesign + "RetireMenu"] = Scope.Analyst,
        [PlanDesign + "GetMenu"] = Readers,
        [PlanDesign + "ListMenus"] = Readers,
    });
}
