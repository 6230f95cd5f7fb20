using System.CommandLine;
using Contracts.Access.V1;
using Google.Protobuf;
using Grpc.Core;
using Hosting;
using Spectre.Console;
using static Cli.Commands.BillingCalls;
using Key = Contracts.Access.V1.AccessKey;
using AccessKey = Hosting.AccessKey;

namespace Cli.Commands;

/// <summary>
/// billing key: who may call the services. A key is made here and shown once; each service is told its SHA-256 and keeps a list of its own, so a key is made, listed
/// and revoked at all three.
/// </summary>
public static class KeyCommand
{
    private sealed record Service(string Name, Uri Address);

    /// <summary>A key, as each service that knows it says: one may have revoked it, and another not.</summary>
    private sealed record Known(List<(string Service, Key Key)> Said)
    {
        public Key Key => Said[0].Key;
        public IEnumerable<string> Services => Said.Select(s => s.Service);
        public string[] LetInBy => [.. Said.Where(s => s.Key.RevokedAt is null).Select(s => s.Service)];

        /// <summary>When the last of them revoked it; null while any lets it in.</summary>
        public Google.Protobuf.WellKnownTypes.Timestamp? RevokedAt => LetInBy.Length > 0 ? null : Said.Max(s => s.Key.RevokedAt);
    }

    public static Command Create() => new("key", "Make, list and revoke API keys") { CreateKey(), List(), Revoke() };

    private static Command CreateKey()
    {
        var name = new Option<string?>("--name") { HelpName = "NAME", Description = "who calls with it (a-z 0-9 . _ -); keys that replace one another have one name. With --customer its id, if absent" };
        var scopes = new Option<string[]>("--scope") { HelpName = "SCOPE", Description = $"what it may do: {(Scopes.Any | Scope.Admin).Names()}; may be repeated", AllowMultipleArgumentsPerToken = true };
        var customer = new Option<string>("--customer") { HelpName = "CUSTOMER", Description = "cus_…: the key sees this customer's own, and nothing else (scope customer)", DefaultValueFactory = _ => "" };
        var offline = new Option<bool>("--offline") { Description = "ask no service: print the entry for Access__Keys as well, as a first key needs it" };
        var (services, json, by) = (new Addresses(), Json(), new ByOptions());
        var command = new Command("create", "Make a key; it is shown once") { name, scopes, customer, offline, json };
        services.AddTo(command);
        by.AddTo(command, result => !ByOptions.Has(result, offline));
        command.SetAction(async (parsed, ct) =>
        {
            var (text, owner) = (AccessKey.NewText(), parsed.GetValue(customer)!);
            string[] named = owner.Length > 0 && parsed.GetValue(scopes)! is [] ? ["customer"] : parsed.GetValue(scopes)!;
            var key = Checked(() => new AccessKey(
                Ids.New(AccessKey.Prefix, TimeProvider.System.GetUtcNow()), parsed.GetValue(name) ?? owner, Scopes.Parse(named), owner.Length > 0 ? owner : null,
                AccessKey.Sha256Of(text), AccessKey.ShownOf(text)).Checked());
            var entry = $"{key.Name}:{string.Join('+', key.Scopes.List())}:{key.Sha256}{(owner.Length > 0 ? ":" + owner : "")}";
            if (!parsed.GetValue(offline)) await RegisterAsync(services.Of(parsed), key, by.Of(parsed), ct);
            if (parsed.GetValue(json)) Print(new { keyId = key.Id, name = key.Name, scopes = key.Scopes.List(), customerId = owner, key = text, entry });
            else
            {
                Console.Out.WriteLine(text);
                if (parsed.GetValue(offline)) Console.Out.WriteLine(entry);
                await Console.Error.WriteLineAsync(parsed.GetValue(offline)
                    ? "billing: the first line is the key: keep it, it is not shown again. The second one belongs into Access__Keys__0 of each service"
                    : $"billing: this is {key.Id} ({key.Name}: {key.Scopes.Names()}); keep it, it is not shown again");
            }
            return 0;
        });
        return command;
    }

    private static Command List()
    {
        var all = new Option<bool>("--all") { Description = "revoked ones too" };
        var (services, json) = (new Addresses(), Json());
        var command = new Command("list", "Which keys are let in, by which service") { all, json };
        services.AddTo(command);
        command.SetAction(async (parsed, ct) =>
        {
            var known = new SortedDictionary<string, Known>(StringComparer.Ordinal);
            var asked = services.Of(parsed);
            foreach (var service in asked)
                foreach (var key in await AtAsync(service, client => AllAsync(client, parsed.GetValue(all), ct)))
                {
                    if (!known.TryGetValue(key.KeyId, out var there)) known[key.KeyId] = there = new([]);
                    there.Said.Add((service.Name, key));
                }
            if (parsed.GetValue(json)) Print(new { keys = known.Values.Select(k => new { k.Key.KeyId, k.Key.Name, scopes = k.Key.Scopes, k.Key.CustomerId, k.Key.Shown, created = Day(k.Key.CreatedAt), revoked = Day(k.RevokedAt), k.Services, k.LetInBy }) });
            else
            {
                var table = Cli.Demo.InvoicePrinter.Table("key", "name", "scopes", "customer", "begins with", "made", "revoked", "known to");
                foreach (var k in known.Values)
                {
                    var (key, letInBy) = (k.Key, k.LetInBy);
                    var revoked = letInBy.Length > 0 && letInBy.Length < k.Said.Count ? $"not by {string.Join(", ", letInBy)}" : Day(k.RevokedAt);
                    table.AddRow([.. new[] { key.KeyId, key.Name, string.Join(", ", key.Scopes), key.CustomerId, key.Shown, key.Configured ? "Access__Keys" : Day(key.CreatedAt), revoked,
                        k.Said.Count == asked.Count ? "all" : string.Join(", ", k.Services) }.Select(Markup.Escape)]);
                }
                CommandLine.Output.Write(table);
            }
            return 0;
        });
        return command;
    }

    private static Command Revoke()
    {
        var id = new Argument<string>("KEY") { Description = "key_…, as billing key list shows it" };
        var (services, json, by) = (new Addresses(), Json(), new ByOptions());
        var command = new Command("revoke", "Let a key in no more; running instances know it within seconds") { id, json };
        services.AddTo(command);
        by.AddTo(command, _ => true);
        command.SetAction(async (parsed, ct) =>
        {
            var (key, found, left) = (parsed.GetValue(id)!, new List<string>(), new List<string>());
            foreach (var service in services.Of(parsed))
            {
                try
                {
                    if (await AtAsync(service, client => RevokeAsync(client, key, by.Of(parsed), ct))) found.Add(service.Name);
                }
                catch (UserException e)
                {
                    // The others must not wait for the one that does not answer.
                    left.Add($"{service.Name}: {e.Message}");
                }
            }
            if (left.Count > 0) throw new UserException($"{key} may still be let in; repeat this when it is mended. {string.Join("; ", left)}");
            if (found.Count == 0) throw new UserException($"no service knows {key}; billing key list shows those there are");
            if (parsed.GetValue(json)) Print(new { keyId = key, revoked = true, services = found });
            else Console.Out.WriteLine($"{key} is revoked");
            return 0;
        });
        return command;
    }

    private static async Task RegisterAsync(IReadOnlyList<Service> services, AccessKey key, Metadata? by, CancellationToken ct)
    {
        var request = new RegisterKeyRequest
        {
            KeyId = key.Id, Name = key.Name, CustomerId = key.CustomerId ?? "", Sha256 = ByteString.CopyFrom(Convert.FromHexString(key.Sha256)), Shown = key.Shown,
        };
        request.Scopes.AddRange(key.Scopes.List());
        var done = new List<Service>();
        foreach (var service in services)
        {
            try
            {
                await AtAsync(service, async client => await client.RegisterKeyAsync(request, by, cancellationToken: ct));
                done.Add(service);
            }
            catch (UserException e)
            {
                // Nobody has seen the key yet, so it is nobody's loss.
                foreach (var other in done) await AtAsync(other, client => RevokeAsync(client, key.Id, by, ct));
                throw new UserException($"{e.Message}; no key was made");
            }
        }
    }

    private static async Task<bool> RevokeAsync(AccessKeys.AccessKeysClient client, string id, Metadata? by, CancellationToken ct)
    {
        try
        {
            await client.RevokeKeyAsync(new() { KeyId = id }, by, cancellationToken: ct);
            return true;
        }
        catch (RpcException e) when (e.StatusCode == StatusCode.NotFound)
        {
            return false;
        }
    }

    private static async Task<List<Key>> AllAsync(AccessKeys.AccessKeysClient client, bool revokedToo, CancellationToken ct)
    {
        var found = new List<Key>();
        for (var token = ""; ;)
        {
            var page = await client.ListKeysAsync(new() { IncludeRevoked = revokedToo, PageSize = 1_000, PageToken = token }, cancellationToken: ct);
            found.AddRange(page.Keys);
            if ((token = page.NextPageToken).Length == 0) return found;
        }
    }

    private static async Task<T> AtAsync<T>(Service service, Func<AccessKeys.AccessKeysClient, Task<T>> ask)
    {
        using var channel = ServiceChannel.Open(service.Address);
        try
        {
            return await ask(new(channel));
        }
        catch (RpcException e) when (e.StatusCode == StatusCode.Unavailable && e.GetRpcStatus() is null)
        {
            throw new UserException($"{service.Name} does not answer at {service.Address}: start it, or say where it is with --{service.Name}");
        }
        catch (RpcException e)
        {
            throw new UserException($"{service.Name}: {e.Status.Detail}");
        }
    }

    private static AccessKey Checked(Func<AccessKey> make)
    {
        try { return make(); }
        catch (FormatException e) { throw new UserException(e.Message); }
    }

    /// <summary>Where the three are.</summary>
    private sealed class Addresses
    {
        private readonly Option<Uri> _planDesign = ServiceAddress.PlanDesign(), _usage = ServiceAddress.Usage(), _billing = ServiceAddress.Billing();

        public void AddTo(Command command)
        {
            foreach (var option in new[] { _planDesign, _usage, _billing }) command.Add(option);
        }

        public IReadOnlyList<Service> Of(ParseResult parsed) =>
            [new("plan-design", parsed.GetValue(_planDesign)!), new("usage", parsed.GetValue(_usage)!), new("billing", parsed.GetValue(_billing)!)];
    }
}
