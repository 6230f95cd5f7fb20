-- The ledger: what was used, exactly once, in batches that are chained. Partitions hold a day each, by the time inside the
-- generation's id, so that a repeat always meets its original; ids sort by their time, hence the range over the id itself.
create table usage.setting (
  name text primary key,
  value text not null
);

-- One writer at a time holds a shard: the epoch says which.
create table usage.shard (
  shard integer primary key,
  epoch bigint not null default 0,
  last_batch bigint not null default 0,
  chain bytea not null,
  last_report bigint not null default 0,
  reported_batch bigint not null default 0,
  reported_chain bytea not null
);

create table usage.subscription (
  subscription uuid primary key,
  version bigint not null,
  terms jsonb not null,
  periods uuid[] not null
);

-- Tokens that an owner may have out, until a time of the real clock: what a crash cannot mint.
create table usage.slab (
  subscription uuid primary key,
  shard integer not null,
  epoch bigint not null,
  tokens bigint not null,
  lease_until timestamptz not null
);

create table usage.token_event (
  generation uuid not null,
  sequence bigint not null,
  shard integer not null,
  batch bigint not null,
  ordinal integer not null,
  subscription uuid not null,
  period uuid not null,
  period_end timestamptz not null,
  plan uuid not null,
  conversation text not null,
  model text not null,
  input bigint not null,
  cached_input bigint not null,
  cache_creation bigint not null,
  output bigint not null,
  reasoning bigint not null,
  overrun bigint not null,
  at timestamptz not null,
  received_at timestamptz not null,
  content bigint not null,
  finish smallint not null,
  leaf bytea not null,
  primary key (generation, sequence)
) partition by range (generation);
create index token_event_batch on usage.token_event (shard, batch, ordinal);
create index token_event_subscription on usage.token_event (subscription, received_at);

create table usage.generation (
  generation uuid primary key,
  subscription uuid not null,
  conversation text not null,
  model text not null,
  mode smallint not null,
  prompt_input bigint not null,
  prompt_cached_input bigint not null,
  prompt_cache_creation bigint not null,
  output_tokens_max bigint not null,
  last_sequence bigint not null,
  reported_output bigint not null,
  reported_reasoning bigint not null,
  output bigint not null,
  reasoning bigint not null,
  overrun bigint not null,
  finish smallint not null
) partition by range (generation);

create table usage.conversation (
  subscription uuid not null,
  conversation text not null,
  plan uuid not null,
  input bigint not null,
  cached_input bigint not null,
  cache_creation bigint not null,
  output bigint not null,
  reasoning bigint not null,
  overrun bigint not null,
  finish smallint not null,
  last_activity timestamptz not null,
  primary key (subscription, conversation)
);
create index conversation_activity on usage.conversation (last_activity);

create table usage.period_total (
  subscription uuid not null,
  period uuid not null,
  plan uuid not null,
  input bigint not null,
  cached_input bigint not null,
  cache_creation bigint not null,
  output bigint not null,
  reasoning bigint not null,
  overrun bigint not null,
  primary key (subscription, period, plan)
);

create table usage.window_total (
  subscription uuid not null,
  kind text not null,
  opened_at timestamptz not null,
  closes_at timestamptz not null,
  input bigint not null,
  cached_input bigint not null,
  cache_creation bigint not null,
  output bigint not null,
  reasoning bigint not null,
  primary key (subscription, kind, opened_at)
);

create table usage.batch (
  shard integer not null,
  number bigint not null,
  row_count bigint not null,
  root bytea not null,
  previous_chain bytea not null,
  chain bytea not null,
  committed_at timestamptz not null,
  primary key (shard, number)
);

create table usage.report (
  shard integer not null,
  number bigint not null,
  first_batch bigint not null,
  last_batch bigint not null,
  previous_chain bytea not null,
  chain bytea not null,
  recorded_at timestamptz not null,
  published boolean not null default false,
  primary key (shard, number)
);
create index report_unpublished on usage.report (shard, number) where not published;

create table usage.report_line (
  shard integer not null,
  number bigint not null,
  subscription uuid not null,
  period uuid not null,
  period_end timestamptz not null,
  plan uuid not null,
  kind text not null,
  tokens bigint not null
);
create index report_line_report on usage.report_line (shard, number);
