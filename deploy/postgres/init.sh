#!/bin/bash
# Run once by the PostgreSQL image, on an empty volume. psql reads the passwords from the environment, so they stand on no command line.
psql -v ON_ERROR_STOP=1 -q -U "$POSTGRES_USER" -d "$POSTGRES_DB" <<'SQL'
\getenv plan_design_password PLAN_DESIGN_DB_PASSWORD
\getenv usage_password USAGE_DB_PASSWORD
\getenv billing_password BILLING_DB_PASSWORD
\getenv billing_auditor_password BILLING_AUDITOR_DB_PASSWORD
\i /deploy/postgres/roles.sql
\i /deploy/postgres/schemas.sql
SQL
