using System.Runtime.InteropServices;
using Usage.Caps;
using Usage.Corrections;
using Usage.Metering;

namespace Usage.Simulation.Tests;

/// <summary>
/// What rows and corrections add up to, apart from the product's own totals; and how far corrections have taken what is used beyond what the
/// caps allow, for what people add is used, even beyond a cap.
/// </summary>
internal sealed class Books(World world)
{
    /// <param name="Used">in a window, a period or a conversation</param>
    /// <param name="Beyond">so much may be used beyond a cap: what corrections added, less what they took away since</param>
    public readonly record struct Account(Tally Used, long Beyond);

    private readonly Dictionary<(Guid, Guid), Account> _periods = [];
    private readonly Dictionary<(Guid, string), Account> _conversations = [];
    private readonly Dictionary<(Guid, OpenWindow), Account> _windows = [];
    private readonly Dictionary<(Guid, Guid), long> _overrun = [];
    private readonly Dictionary<(Guid Generation, Guid Period), PeriodTotal> _generations = [];
    private readonly Dictionary<(Guid Generation, OpenWindow), Tally> _generationWindows = [];
    private readonly Dictionary<LineKey, long> _lines = [];
    private readonly CommitSums _sums = new();

    /// <summary>What billing must end up with.</summary>
    public IReadOnlyDictionary<LineKey, long> Lines => _lines;

    public Account Period(Guid subscription, Guid period) => _periods.GetValueOrDefault((subscription, period));
    public Account Conversation(Guid subscription, string conversation) => _conversations.GetValueOrDefault((subscription, conversation));
    public Account Window(Guid subscription, OpenWindow window) => _windows.GetValueOrDefault((subscription, window));

    /// <summary>The window of a kind that is, or was, open at that time, as far as the tables know.</summary>
    public OpenWindow? Open(Guid subscription, CapWindow kind, DateTimeOffset business)
    {
        foreach (var (of, window) in _windows.Keys)
            if (of == subscription && window.Window == kind && IsIn(window, business)) return window;
        return null;
    }

    /// <summary>The account of a cap, for a generation of a conversation.</summary>
    public Account Of(CapWindow window, Guid subscription, string conversation, Guid period, DateTimeOffset business) => window switch
    {
        CapWindow.Conversation => Conversation(subscription, conversation),
        CapWindow.BillingPeriod => Period(subscription, period),
        CapWindow.FiveHours or CapWindow.Week => Open(subscription, window, business) is { } open ? Window(subscription, open) : default,
    };

    /// <summary>What the owner in a cell must know to be used: what is committed, what it has decided since, and not yet what corrections did that it has not been told.</summary>
    public long UsedBy(Cell cell, CapRule rule, string conversation, Guid period, DateTimeOffset business)
    {
        var used = Of(rule.Window, cell.Owner.Subscription, conversation, period, business).Used;
        foreach (var row in cell.Uncommitted)
            if (!world.Store.Events.ContainsKey((row.Generation.Id, row.Sequence)) && Counts(rule.Window, row, conversation, period, business)) used += row.Tokens;
        foreach (var correction in cell.Untold) used -= In(rule.Window, correction, conversation, period, business);
        return used.Of(rule.Kinds);
    }

    /// <returns>what the row says to billing</returns>
    public IReadOnlyDictionary<LineKey, long> Add(UsageRow row)
    {
        var (subscription, generation) = (row.Generation.Header.Subscription, row.Generation.Id);
        Use(_periods, (subscription, row.Period.Id), row.Tokens);
        Use(_conversations, (subscription, row.Generation.Header.Conversation), row.Tokens);
        Add(_overrun, (subscription, row.Period.Id), row.OverrunTokens);
        var use = _generations.GetValueOrDefault((generation, row.Period.Id));
        _generations[(generation, row.Period.Id)] = new(use.Tokens + row.Tokens, use.Overrun + row.OverrunTokens);
        foreach (var window in new[] { row.FiveHours, row.Week })
        {
            if (window is null) continue;
            Use(_windows, (subscription, window), row.Tokens);
            _generationWindows[(generation, window)] = _generationWindows.GetValueOrDefault((generation, window)) + row.Tokens;
        }
        var lines = new ReportLines();
        _sums.Of([row]);
        lines.Add(_sums);
        return Add(lines);
    }

    /// <returns>what the correction says to billing</returns>
    public IReadOnlyDictionary<LineKey, long> Add(UsageCorrection c)
    {
        Correct(_periods, (c.Subscription, c.Period), c.Deltas, CapWindow.BillingPeriod);
        Add(_overrun, (c.Subscription, c.Period), c.OverrunDelta);
        if (c.Generation is { } generation)
        {
            Correct(_conversations, (c.Subscription, c.Conversation), c.Deltas, CapWindow.Conversation);
            var use = _generations.GetValueOrDefault((generation, c.Period));
            _generations[(generation, c.Period)] = new(use.Tokens + c.Deltas, use.Overrun + c.OverrunDelta);
        }
        foreach (var (window, deltas) in c.Windows)
        {
            Correct(_windows, (c.Subscription, window), deltas, window.Window);
            if (c.Generation is { } held) _generationWindows[(held, window)] = _generationWindows.GetValueOrDefault((held, window)) + deltas;
        }
        var lines = new ReportLines();
        lines.Add(c);
        return Add(lines);
    }

    /// <summary>Nothing that a correction touched is below zero; and of what it voided nothing is left, nor in the windows that are open.</summary>
    public bool IsSound(UsageCorrection c)
    {
        var use = c.Generation is { } id ? _generations[(id, c.Period)] : new(Tally.Zero, 0);
        var held = c.Windows.Select(w => _generationWindows.GetValueOrDefault((c.Generation ?? default, w.Window))).ToList();
        return !Period(c.Subscription, c.Period).Used.AnyNegative && Overrun(c.Subscription, c.Period) >= 0
            && !use.Tokens.AnyNegative && use.Overrun >= 0 && held.TrueForAll(h => !h.AnyNegative)
            && (c.Generation is null || !Conversation(c.Subscription, c.Conversation).Used.AnyNegative)
            && (!c.Void || (use.Tokens.IsZero && use.Overrun == 0 && held.TrueForAll(h => h.IsZero)));
    }

    public long Overrun(Guid subscription, Guid period) => _overrun.GetValueOrDefault((subscription, period));

    /// <summary>What of a correction counts in a window.</summary>
    public static Tally In(CapWindow window, UsageCorrection c, string conversation, Guid period, DateTimeOffset business) => window switch
    {
        CapWindow.Conversation => c.Generation is not null && c.Conversation == conversation ? c.Deltas : Tally.Zero,
        CapWindow.BillingPeriod => c.Period == period ? c.Deltas : Tally.Zero,
        CapWindow.FiveHours or CapWindow.Week => c.Windows.FirstOrDefault(w => w.Window.Window == window && IsIn(w.Window, business))?.Deltas ?? Tally.Zero,
    };

    private static bool Counts(CapWindow window, UsageRow row, string conversation, Guid period, DateTimeOffset business) => window switch
    {
        CapWindow.Conversation => row.Generation.Header.Conversation == conversation,
        CapWindow.BillingPeriod => row.Period.Id == period,
        CapWindow.FiveHours => row.FiveHours is { } open && IsIn(open, business),
        CapWindow.Week => row.Week is { } open && IsIn(open, business),
    };

    private static bool IsIn(OpenWindow window, DateTimeOffset business) => window.OpenedAt <= business && business < window.ClosesAt;

    private IReadOnlyDictionary<LineKey, long> Add(ReportLines lines)
    {
        foreach (var (line, tokens) in lines.Tokens) Add(_lines, line, tokens);
        return lines.Tokens;
    }

    private static void Use<TKey>(Dictionary<TKey, Account> accounts, TKey key, in Tally tokens)
        where TKey : notnull
    {
        ref var account = ref CollectionsMarshal.GetValueRefOrAddDefault(accounts, key, out _);
        account = account with { Used = account.Used + tokens };
    }

    private void Correct<TKey>(Dictionary<(Guid Subscription, TKey), Account> accounts, (Guid Subscription, TKey) key, in Tally deltas, CapWindow window)
    {
        ref var account = ref CollectionsMarshal.GetValueRefOrAddDefault(accounts, key, out _);
        account = new(account.Used + deltas, Math.Max(0, account.Beyond + deltas.Of(world.CountedBy(key.Subscription, window))));
    }

    private static void Add<TKey>(Dictionary<TKey, long> sums, TKey key, long tokens)
        where TKey : notnull => sums[key] = sums.GetValueOrDefault(key) + tokens;
}
