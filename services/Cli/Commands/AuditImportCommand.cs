using System.CommandLine;
using Billing.Host;
using Hosting;
using Npgsql;

namespace Cli.Commands;

/// <summary>billing audit import: the books of an export, raised in an empty billing system.</summary>
public static class AuditImportCommand
{
    public static Command Create()
    {
        var file = new Argument<string>("file") { Description = "what billing audit export wrote" };
        var head = AuditVerifyCommand.Head();
        var (postgres, json, by) = (Postgres(), BillingCalls.Json(), new ByOptions());
        var command = new Command("import", "Raise the books of an export in an empty billing system, while no billing service runs on it") { file, head, postgres, json };
        by.AddTo(command, _ => true);
        command.SetAction((parsed, ct) =>
        {
            var path = parsed.GetValue(file)!;
            if (!File.Exists(path)) throw new UserException($"{path}: no such file; write one with: billing audit export --out {path}");
            return On(parsed.GetValue(postgres)!, async database =>
            {
                var imported = await BooksImport.RunAsync(database, File.ReadLines(path), by.Said(parsed), ct, parsed.GetValue(head));
                if (parsed.GetValue(json)) BillingCalls.Print(imported);
                else foreach (var line in imported.Told(path)) Console.Out.WriteLine(line);
            });
        });
        return command;
    }

    /// <summary>The database itself, for what is done while no service runs on it.</summary>
    internal static Option<string> Postgres() => new("--postgres")
    {
        Description = "connection string of the role that owns the schema billing (default the environment's Billing__Postgres)",
        DefaultValueFactory = _ => Environment.GetEnvironmentVariable("Billing__Postgres") ?? "",
    };

    internal static async Task<int> On(string database, Func<string, Task> work)
    {
        if (database.Length == 0) throw new UserException("say which database: Billing__Postgres='Host=…;Database=…;Username=billing;Password=…' in the environment (or --postgres, which everybody on the machine can read)");
        try
        {
            await work(database);
            return 0;
        }
        catch (RefusedException refused)
        {
            throw new UserException(BillingCalls.Told(refused.Message, refused.Refusal.Code));
        }
        catch (Exception e) when (e is NpgsqlException or ArgumentException)
        {
            throw new UserException($"the database does not serve: {e.Message}");
        }
    }
}
