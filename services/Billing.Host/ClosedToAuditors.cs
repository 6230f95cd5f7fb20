using System.Data.Common;
using Weasel.Core;
using Weasel.Core.Migrations;
using Weasel.Postgresql;

namespace Billing.Host;

/// <summary>
/// The role billing_auditor reads whatever billing creates (deploy/postgres/schemas.sql), but not this table: who customers are. Taken back by the
/// owner in the step that creates the table, and looked at again at every start, so that a database that is older than this rule, or was restored
/// from a dump, is closed too.
/// </summary>
internal sealed class ClosedToAuditors(string table) : ISchemaObject, ISchemaObjectWithDependencies
{
    private const string Auditor = "billing_auditor";

    public DbObjectName Identifier { get; } = Name("closed_to_auditors");

    public IEnumerable<DbObjectName> DependsOn => [Name(table)];
    public IEnumerable<DbObjectName> AllNames() => [Identifier];

    public void WriteCreateStatement(Migrator migrator, TextWriter writer) => writer.WriteLine($"""
        DO $$ BEGIN
          IF EXISTS (SELECT FROM pg_roles WHERE rolname = '{Auditor}') THEN REVOKE ALL ON {Name(table).QualifiedName} FROM {Auditor}; END IF;
        END $$;
        """);

    public void WriteDropStatement(Migrator migrator, TextWriter writer) => writer.WriteLine("-- Nothing is given back.");

    public void ConfigureQueryCommand(Weasel.Core.DbCommandBuilder builder) => builder.Append($"""
        select exists (select from aclexplode(c.relacl) a join pg_roles r on r.oid = a.grantee where r.rolname = '{Auditor}')
        from pg_class c where c.oid = to_regclass('{Name(table).QualifiedName}');
        """);

    public async Task<ISchemaObjectDelta> CreateDeltaAsync(DbDataReader reader, CancellationToken ct = default) =>
        new SchemaObjectDelta(this, await reader.ReadAsync(ct) && !reader.GetBoolean(0) ? SchemaPatchDifference.None : SchemaPatchDifference.Create);

    private static PostgresqlObjectName Name(string table) => new(BillingStore.Schema, table, SchemaUtils.IdentifierUsage.General);
}
