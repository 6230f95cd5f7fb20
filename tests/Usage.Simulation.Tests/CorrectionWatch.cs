using Usage.Corrections;

namespace Usage.Simulation.Tests;

/// <summary>Corrections are made once under their key, as they were asked for, leave nothing below zero, and are in every total.</summary>
internal sealed class CorrectionWatch(World world, Books books)
{
    private readonly HashSet<string> _made = [];

    public int Count { get; private set; }

    public void Committed(CorrectionCall call, IReadOnlyList<UsageCorrection> corrections)
    {
        Must(_made.Add(call.Key), $"{call.Key} is made twice");
        Count += corrections.Count;
        foreach (var c in corrections)
        {
            if (world.Schedule.IsTold) world.Tell($"  {call.Key} {(c.Void ? "voids" : "adds")} {c.Deltas.Prompt} and {c.Deltas.Generated}, overrun {c.OverrunDelta}");
            Must(books.IsSound(c), $"{call.Key} leaves something below zero, or something of what it voided");
            Must(world.Store.Periods[(c.Subscription, c.Period)] == new PeriodTotal(books.Period(c.Subscription, c.Period).Used, books.Overrun(c.Subscription, c.Period)), "U4: the total of a corrected period differs from its rows");
            Must(c.Generation is null || world.Store.ConversationOf(c.Subscription, c.Conversation) == books.Conversation(c.Subscription, c.Conversation).Used, "U4: the total of a corrected conversation differs from its rows");
            foreach (var (window, _) in c.Windows) Must(world.Store.Windows[(c.Subscription, window)] == books.Window(c.Subscription, window).Used, "U4: the total of a corrected window differs from its rows");
        }
    }

    /// <summary>Whoever is told that his correction is made finds it made, as he asked for it.</summary>
    public void Answered(CorrectionCall call, IReadOnlyList<UsageCorrection> corrections)
    {
        Must(_made.Contains(call.Key), $"{call.Key} is told that it is made, and is not");
        Must(call.IsVoid || (corrections is [var made] && made.Deltas == call.Deltas && made.OverrunDelta == call.OverrunDelta), $"{call.Key} is not what was asked for");
    }

    public void Refused(CorrectionCall call, string reason) => Must(!_made.Contains(call.Key), $"{call.Key} is made, and told {reason}");

    private static void Must(bool holds, string message)
    {
        if (!holds) throw new ViolationException(message);
    }
}
