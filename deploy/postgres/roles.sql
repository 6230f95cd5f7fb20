-- The four roles of the product: one per service, and one that may only read billing's history. Once per server.
-- Run by psql (docker compose) and by LocalServers (demo and tests), which both fill in the :'..._password' variables.
CREATE ROLE plan_design LOGIN PASSWORD :'plan_design_password';
CREATE ROLE "usage" LOGIN PASSWORD :'usage_password';
CREATE ROLE billing LOGIN PASSWORD :'billing_password';
CREATE ROLE billing_auditor LOGIN PASSWORD :'billing_auditor_password';

-- A service names its tables without a schema, and nothing of it can land in a schema that another one reads.
ALTER ROLE plan_design SET search_path = plan_design;
ALTER ROLE "usage" SET search_path = "usage";
ALTER ROLE billing SET search_path = billing;
ALTER ROLE billing_auditor SET search_path = billing;
ALTER ROLE billing_auditor SET default_transaction_read_only = on;
