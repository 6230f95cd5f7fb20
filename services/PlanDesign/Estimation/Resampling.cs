using MathNet.Numerics.Distributions;

namespace PlanDesign.Estimation;

/// <summary>
/// The bootstrap of customers (Efron 1979): each draw takes as many customers as were seen, with replacement, their choices together with
/// their conversations. Customers who are alike are drawn by the number. Menus that sell a plan of one id sell one plan: a conversation does not say
/// from which of them it was bought.
/// </summary>
internal sealed class Resampling
{
    private readonly MarketObservations _seen;
    private readonly Stratum[] _strata;

    public Resampling(MarketObservations seen)
    {
        _seen = seen;
        Lengths = [.. seen.Conversations.Select(c => c.GeneratedTokens).Distinct().Order()];
        var place = Lengths.Select((tokens, n) => (tokens, n)).ToDictionary(t => t.tokens, t => t.n);
        var unknown = new Stratum([]);
        var known = seen.Menus.SelectMany((menu, j) => menu.Plans.Select((plan, k) => (plan.PlanId, Menu: j, Plan: k)))
            .GroupBy(cell => cell.PlanId, cell => (cell.Menu, cell.Plan), StringComparer.Ordinal)
            .ToDictionary(cells => cells.Key, cells => new Stratum([.. cells]), StringComparer.Ordinal);
        Stratum StratumOf(string? plan) => plan is not null && known.TryGetValue(plan, out var stratum) ? stratum : unknown;
        foreach (var alone in seen.Conversations.Where(c => c.Customer is null))
            StratumOf(alone.PlanId).AddAlone(place[alone.GeneratedTokens], alone.Cut);
        foreach (var customer in seen.Conversations.Where(c => c.Customer is not null).GroupBy(c => c.Customer, StringComparer.Ordinal))
            StratumOf(customer.First().PlanId).AddCustomer([.. customer.Select(c => (place[c.GeneratedTokens], c.Cut))]);
        _strata = [unknown, .. known.Values.OrderBy(stratum => stratum.Cells[0])];
        foreach (var stratum in _strata) stratum.Seal();
    }

    /// <summary>The distinct lengths of all conversations, ascending.</summary>
    public int[] Lengths { get; }

    /// <summary>As observed.</summary>
    public (double[] Answered, double[] Cut, long[][] Customers) Observed()
    {
        var (answered, cut) = (new double[Lengths.Length], new double[Lengths.Length]);
        foreach (var stratum in _strata) stratum.AddAll(answered, cut);
        return (answered, cut, [.. _seen.Menus.Select(Counts)]);
    }

    public (double[] Answered, double[] Cut, long[][] Customers) Draw(Random random)
    {
        var (answered, cut) = (new double[Lengths.Length], new double[Lengths.Length]);
        long[][] observed = [.. _seen.Menus.Select(Counts)];
        long[][] drawn = [.. observed.Select(counts => Multinomial.Draw(random, counts.Sum(), counts))];
        foreach (var stratum in _strata)
            stratum.AddDraw(random, stratum.Cells.Sum(c => observed[c.Menu][c.Plan]), stratum.Cells.Sum(c => drawn[c.Menu][c.Plan]), answered, cut);
        return (answered, cut, drawn);
    }

    private static long[] Counts(ObservedMenu menu) =>
        [.. menu.Plans.Select(p => p.Customers), .. menu.CustomersWithoutPlan is { } without ? new[] { without } : []];

    /// <summary>The conversations under one plan and where in the menus it was sold, or under none that is known.</summary>
    private sealed class Stratum((int Menu, int Plan)[] cells)
    {
        private readonly Dictionary<(int, bool), long> _alone = [];
        private readonly List<(int Length, bool Cut)[]> _customers = [];
        private (int Length, bool Cut)[] _profiles = [];
        private long[] _counts = [];

        public (int Menu, int Plan)[] Cells => cells;

        public void AddAlone(int length, bool cut) => _alone[(length, cut)] = _alone.GetValueOrDefault((length, cut)) + 1;

        public void AddCustomer((int, bool)[] conversations) => _customers.Add(conversations);

        public void Seal()
        {
            _profiles = [.. _alone.Keys.Order()];
            _counts = [.. _profiles.Select(p => _alone[p])];
        }

        public void AddAll(double[] answered, double[] cut)
        {
            for (var n = 0; n < _profiles.Length; n++) Add(_profiles[n], _counts[n], answered, cut);
            foreach (var customer in _customers)
                foreach (var conversation in customer) Add(conversation, 1, answered, cut);
        }

        /// <summary>
        /// Of a plan that <paramref name="was"/> customers took and in this draw <paramref name="now"/>: those with conversations among them by chance,
        /// conversations of nobody known in proportion. Customers with conversations beyond those who took it then, for they took it before, are
        /// drawn besides.
        /// </summary>
        public void AddDraw(Random random, long was, long now, double[] answered, double[] cut)
        {
            var alone = _counts.Sum();
            var drawn = Multinomial.Draw(random, was > 0 ? (long)Math.Round((double)alone * now / was) : alone, _counts);
            for (var n = 0; n < _profiles.Length; n++) Add(_profiles[n], drawn[n], answered, cut);
            if (_customers.Count == 0) return;
            var many = _customers.Count >= was ? now + (_customers.Count - was) : Multinomial.Binomial(random, now, (double)_customers.Count / was);
            for (var n = 0L; n < many; n++)
                foreach (var conversation in _customers[random.Next(_customers.Count)]) Add(conversation, 1, answered, cut);
        }

        private static void Add((int Length, bool Cut) conversation, double count, double[] answered, double[] cut) =>
            (conversation.Cut ? cut : answered)[conversation.Length] += count;
    }
}

/// <summary>Exact multinomial and binomial draws, many at a time.</summary>
internal static class Multinomial
{
    private const int FewMax = 16;

    /// <summary>So many draws over cells with these weights; the sum of the result is <paramref name="draws"/> unless all weights are 0.</summary>
    public static long[] Draw(Random random, long draws, long[] weights)
    {
        var (into, left, weight) = (new long[weights.Length], draws, weights.Sum());
        for (var n = 0; n < weights.Length && left > 0 && weight > 0; n++)
        {
            into[n] = weights[n] == weight ? left : Binomial(random, left, (double)weights[n] / weight);
            left -= into[n];
            weight -= weights[n];
        }
        return into;
    }

    /// <summary>By halving at a beta distributed order statistic (Devroye 1986, X.4.3): exact, in the logarithm of n.</summary>
    public static long Binomial(Random random, long n, double p)
    {
        var sum = 0L;
        while (n > FewMax && p is > 0 and < 1)
        {
            if (n * p < FewMax) return sum + Waiting(random, n, p);
            var a = 1 + n / 2;
            var x = Beta.Sample(random, a, n + 1 - a);
            if (x <= p) (sum, n, p) = (sum + a, n - a, (p - x) / (1 - x));
            else (n, p) = (a - 1, p / x);
        }
        if (p >= 1) return sum + n;
        for (var k = 0L; k < n; k++)
            if (random.NextDouble() < p) sum++;
        return sum;
    }

    /// <summary>Few successes: the waiting times between them are geometric.</summary>
    private static long Waiting(Random random, long n, double p)
    {
        var (successes, trials, log) = (0L, 0.0, Math.Log(1 - p));
        while (true)
        {
            trials += Math.Floor(Math.Log(1 - random.NextDouble()) / log) + 1;
            if (trials > n) return successes;
            successes++;
        }
    }
}
