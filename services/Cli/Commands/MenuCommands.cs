using System.CommandLine;

namespace Cli.Commands;

public static class MenuCommands
{
    public static Command Create() => new("menu", "Menus of token caps.")
    {
        MenuSolve.Create(),
        MenuCompare.Create(),
        MenuFrontier.Create(),
        MenuPageCommand.Create(),
        MenuEstimate.Create(),
        MenuPublish.Create(),
        MenuRetire.Create(),
        MenuShow.Create(),
        MenuVerify.Create(),
        MenuWatch.Create(),
    };
}
