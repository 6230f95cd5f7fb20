-- Corrections: signed rows of their own, in the batches and the chain of their shard. Never edited, never partitioned: they are few.
create table usage.correction (
  correction uuid primary key,
  shard integer not null,
  batch bigint not null,
  ordinal integer not null,
  subscription uuid not null,
  period uuid not null,
  period_end timestamptz not null,
  plan uuid not null,
  generation uuid,
  conversation text not null,
  model text not null,
  input bigint not null,
  cached_input bigint not null,
  cache_creation bigint not null,
  output bigint not null,
  reasoning bigint not null,
  overrun bigint not null,
  recorded_at timestamptz not null,
  void boolean not null,
  author text not null,
  reason text not null,
  leaf bytea not null
);
create index correction_batch on usage.correction (shard, batch, ordinal);
create index correction_subscription on usage.correction (subscription, recorded_at);
create index correction_generation on usage.correction (generation) where generation is not null;

-- What a correction took from, or added to, a window that was open when it was recorded.
create table usage.correction_window (
  correction uuid not null references usage.correction,
  kind text not null,
  opened_at timestamptz not null,
  input bigint not null,
  cached_input bigint not null,
  cache_creation bigint not null,
  output bigint not null,
  reasoning bigint not null,
  primary key (correction, kind)
);

-- Unary calls that changed something, by caller, method and idempotency-key: kept for ever.
create table usage.idempotent_call (
  id text primary key,
  request_sha256 text not null,
  response bytea not null
);

-- A correction of a whole period must know when it ends, even when its rows are gone.
alter table usage.period_total add column period_end timestamptz;

-- All that reports add up: chunks and corrections alike.
create view usage.ledger_row as
  select shard, batch, ordinal, generation, sequence, subscription, period, period_end, plan, conversation, model,
    input, cached_input, cache_creation, output, reasoning, overrun, at, received_at, leaf,
    null::uuid as correction, false as void, null::text as author, null::text as reason
  from usage.token_event
  union all
  select shard, batch, ordinal, generation, 0::bigint, subscription, period, period_end, plan, conversation, model,
    input, cached_input, cache_creation, output, reasoning, overrun, recorded_at, recorded_at, leaf,
    correction, void, author, reason
  from usage.correction;
