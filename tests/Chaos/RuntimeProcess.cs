using System.Globalization;
using System.Text;
using Contracts.Billing.V1;
using RuntimeClient;

namespace Chaos;

/// <summary>
/// A runtime that is a process of its own and is killed as well. It keeps a journal of what it generates, before it says so; the next process reads it, starts
/// what was not finished again, with the ids that it had, and goes on where it was.
/// </summary>
public sealed class RuntimeProcess : IAsyncDisposable
{
    private const int TalksAtOnce = 6, TokensMax = 120, TokensAtOnceMax = 4, ConversationsPerSubscription = 3;
    private static readonly TimeSpan Pace = TimeSpan.FromMilliseconds(10);

    private readonly Company _company;
    private readonly string _name, _journal = Path.Combine(Path.GetTempPath(), $"billing-chaos-{Environment.ProcessId}-{Path.GetRandomFileName()}.journal");

    public RuntimeProcess(Company company, IEnumerable<Subscription> subscriptions, string name, IEnumerable<Uri> grpc)
    {
        (_company, _name) = (company, name);
        var settings = new Dictionary<string, string?>
        {
            ["CHAOS_RUNTIME"] = name, ["CHAOS_JOURNAL"] = _journal, ["CHAOS_AT"] = company.Now.ToString("O", CultureInfo.InvariantCulture),
            ["CHAOS_METERS"] = string.Join(' ', grpc), ["CHAOS_SUBSCRIPTIONS"] = string.Join(' ', subscriptions.Select(s => s.SubscriptionId)),
        };
        Process = new(typeof(RuntimeProcess).Assembly.Location, () => settings, new("http://127.0.0.1:1"));
    }

    public ServiceProcess Process { get; }

    /// <summary>It begins nothing more and comes to its end.</summary>
    public async Task FinishAsync()
    {
        await File.WriteAllTextAsync($"{_journal}.end", "");
        await Eventually.True(() => Read(_journal, _name).Ended, "the runtime that was killed has finished all that it began", TimeSpan.FromMinutes(2));
    }

    /// <summary>What it has generated, as its journal has it.</summary>
    public IReadOnlyDictionary<string, Talk> Generated() => Read(_journal, _name).Talks.Where(t => t.Value.Took is not null).ToDictionary(
        t => IdOf(_company.Now, _name, t.Key), t => new Talk(RequestOf(_company.Now, _name, t.Key, t.Value), t.Value.Tokens, t.Value.Took!.Value));

    /// <summary>Generations that were resumed by another process than the one that had begun them, with tokens of theirs.</summary>
    public int Resumed => Read(_journal, _name).Talks.Values.Count(t => t.Lives > 1 && t.TokensBefore > 0);

    public async ValueTask DisposeAsync()
    {
        await Process.DisposeAsync();
        File.Delete(_journal);
        File.Delete($"{_journal}.end");
    }

    /// <summary>The process itself, if this is one.</summary>
    public static bool IsHere => Environment.GetEnvironmentVariable("CHAOS_RUNTIME") is not null;

    public static async Task RunAsync()
    {
        var (name, path) = (Setting("CHAOS_RUNTIME"), Setting("CHAOS_JOURNAL"));
        var at = DateTimeOffset.Parse(Setting("CHAOS_AT"), CultureInfo.InvariantCulture);
        var subscriptions = Setting("CHAOS_SUBSCRIPTIONS").Split(' ');
        var before = Read(path, name);
        await using var journal = new Journal(path);
        using var channel = Company.ConnectToAny(Setting("CHAOS_METERS").Split(' ').Select(m => new Uri(m)));
        await using var meter = new MeterClient(channel.CreateCallInvoker(), new() { RetransmitAfter = TimeSpan.FromSeconds(1), SilenceMax = TimeSpan.FromSeconds(5), PauseMax = TimeSpan.FromMilliseconds(500) });
        var next = before.Talks.Count;
        await Task.WhenAll([
            .. before.Talks.Where(t => t.Value is { Took: null, IsDenied: false }).Select(t => Task.Run(() => TalkAsync(t.Key, t.Value))),
            .. Enumerable.Range(0, TalksAtOnce).Select(_ => Task.Run(async () =>
            {
                while (!File.Exists($"{path}.end"))
                {
                    var n = Interlocked.Increment(ref next) - 1;
                    var random = new Random(n);
                    var entry = new Entry(subscriptions[random.Next(subscriptions.Length)], $"{name} {random.Next(ConversationsPerSubscription)}", random.Next(1, TokensMax));
                    journal.Write($"begin {n} {entry.Subscription} {entry.Conversation.Split(' ')[^1]} {entry.Wanted}");
                    await TalkAsync(n, entry);
                }
            })),
        ]);
        journal.Write("end");
        // Whoever started it ends it.
        await new TaskCompletionSource().Task;

        async Task TalkAsync(int n, Entry entry)
        {
            using var pace = new PeriodicTimer(Pace);
            var since = TimeProvider.System.GetTimestamp();
            Generation generation;
            try
            {
                generation = await meter.StartAsync(RequestOf(at, name, n, entry) with { WasGranted = entry.Tokens > 0 });
            }
            catch (GenerationDeniedException e) when (e.Reason == "cap_reached" && entry.Tokens == 0)
            {
                journal.Write($"denied {n}");
                await pace.WaitForNextTickAsync();
                return;
            }
            var resumed = generation.Generated;
            if (resumed > entry.Tokens) throw new ChaosException($"U3: {generation.Id} had generated {entry.Tokens}, and {resumed} are recorded");
            if (entry.Lives > 0) journal.Write($"resumed {n} {entry.Tokens}");
            var random = new Random(n);
            // What its user has had already.
            var goesOn = generation.IsFinished || await generation.CountAsync(entry.Tokens - resumed);
            while (goesOn && !generation.IsFinished && generation.Generated < entry.Wanted && await generation.RoomAsync() is > 0 and var room)
            {
                var tokens = Math.Min(Math.Min(random.Next(1, TokensAtOnceMax + 1), room), entry.Wanted - generation.Generated);
                journal.Write($"generated {n} {entry.Tokens = generation.Generated + tokens}");
                goesOn = await generation.CountAsync(tokens);
                await pace.WaitForNextTickAsync();
            }
            // What finds no room any more is said all the same.
            await generation.SettleAsync(goesOn ? RuntimeClient.FinishReason.Stop : RuntimeClient.FinishReason.Cap, entry.Tokens - resumed, 0);
            journal.Write($"done {n} {entry.Tokens} {(entry.Lives > 0 ? TimeSpan.MaxValue : TimeProvider.System.GetElapsedTime(since)).Ticks}");
        }
    }

    private static string Setting(string name) => Environment.GetEnvironmentVariable(name) ?? throw new InvalidOperationException($"{name} is not set");

    private static string IdOf(DateTimeOffset at, string name, int n) => GenerationId.Derive(at, name, $"{n}");

    private static GenerationRequest RequestOf(DateTimeOffset at, string name, int n, Entry entry) => new()
    {
        Id = IdOf(at, name, n), Subscription = entry.Subscription, Conversation = entry.Conversation, Model = "aligned-1", Prompt = new(Input: ChaosLoad.PromptTokens),
    };

    private static (SortedDictionary<int, Entry> Talks, bool Ended) Read(string path, string called)
    {
        var (talks, ended) = (new SortedDictionary<int, Entry>(), false);
        if (!File.Exists(path)) return (talks, ended);
        using var stream = new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite);
        using var reader = new StreamReader(stream);
        foreach (var line in reader.ReadToEnd().Split('\n')[..^1]) // the last one is empty, or was not written to its end
        {
            var words = line.Split(' ');
            if (words[0] == "end") { ended = true; continue; }
            var n = int.Parse(words[1], CultureInfo.InvariantCulture);
            long Number(int word) => long.Parse(words[word], CultureInfo.InvariantCulture);
            switch (words[0])
            {
                case "begin": talks[n] = new(words[2], $"{called} {words[3]}", Number(4)); break;
                case "generated": talks[n].Tokens = Number(2); break;
                case "resumed": (talks[n].Lives, talks[n].TokensBefore) = (2, Number(2)); break;
                case "denied": talks[n].IsDenied = true; break;
                case "done": (talks[n].Tokens, talks[n].Took) = (Number(2), TimeSpan.FromTicks(Number(3))); break;
                default: throw new InvalidOperationException(line);
            }
        }
        foreach (var talk in talks.Values) talk.Lives = Math.Max(talk.Lives, 1);
        return (talks, ended);
    }

    private sealed class Entry(string subscription, string conversation, long wanted)
    {
        public string Subscription => subscription;
        public string Conversation => conversation;
        public long Wanted => wanted;

        /// <summary>Generated, as far as it was written down: before it was counted.</summary>
        public long Tokens { get; set; }
        public long TokensBefore { get; set; }

        /// <summary>Processes that had it so far.</summary>
        public int Lives { get; set; }
        public bool IsDenied { get; set; }

        /// <summary>Null until it is acknowledged to its end.</summary>
        public TimeSpan? Took { get; set; }
    }

    /// <summary>What is written is the kernel's at once, and outlives the process.</summary>
    private sealed class Journal(string path) : IAsyncDisposable
    {
        private readonly FileStream _file = new(path, FileMode.Append, FileAccess.Write, FileShare.ReadWrite, bufferSize: 0);

        public void Write(string line)
        {
            lock (_file) _file.Write(Encoding.UTF8.GetBytes($"{line}\n"));
        }

        public ValueTask DisposeAsync() => _file.DisposeAsync();
    }
}
