-- A schema per service, owned by its role and closed to the others. Once per database, after roles.sql.
DO $$ BEGIN
  IF current_setting('server_encoding') <> 'UTF8' THEN
    RAISE EXCEPTION 'this database is encoded in %, in which names and JSON cannot all be stored', current_setting('server_encoding')
      USING HINT = 'make it with: CREATE DATABASE billing TEMPLATE template0 ENCODING ''UTF8'' LC_COLLATE ''C.UTF-8'' LC_CTYPE ''C.UTF-8''';
  END IF;
END $$;
REVOKE ALL ON SCHEMA public FROM PUBLIC;
CREATE SCHEMA plan_design AUTHORIZATION plan_design;
CREATE SCHEMA "usage" AUTHORIZATION "usage";
CREATE SCHEMA billing AUTHORIZATION billing;

-- The auditor reads what billing has and whatever billing creates later, and writes nothing. What can be erased it may not read: billing takes
-- personal_details back from it in the step that creates that table, and sees to it at every start.
GRANT USAGE ON SCHEMA billing TO billing_auditor;
ALTER DEFAULT PRIVILEGES FOR ROLE billing IN SCHEMA billing GRANT SELECT ON TABLES TO billing_auditor;
ALTER DEFAULT PRIVILEGES FOR ROLE billing IN SCHEMA billing GRANT SELECT ON SEQUENCES TO billing_auditor;
