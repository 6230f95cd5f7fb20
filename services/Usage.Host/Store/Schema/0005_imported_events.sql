-- Events of other systems that were imported, by their key, for ever: no partitions, since the time of an event may change on a retry. A row
-- fixes under which id its usage is recorded and with what time; it claims nothing. Recorded says that the ledger has all of it.
create table usage.imported_event (
  source text not null,
  id text not null,
  content bytea not null,
  generation uuid not null,
  at timestamptz,
  recorded boolean not null default false,
  primary key (source, id)
);
