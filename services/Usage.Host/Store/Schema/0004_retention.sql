-- Partitions older than the retention are detached, not dropped. What a proof needs of their rows stays here.
create table usage.kept_leaf (
  shard integer not null,
  batch bigint not null,
  ordinal integer not null,
  leaf bytea not null,
  primary key (shard, batch, ordinal)
);

create table usage.detached_partition (
  day date primary key,
  rows bigint not null,
  detached_at timestamptz not null
);

-- When a generation was last heard (real time), and when it was settled at what it had reported because its runtime fell silent.
alter table usage.generation add column heard_at timestamptz not null default now(), add column settled_at timestamptz;
-- Neither column of an update per chunk is in it, so those updates stay cheap.
create index generation_open on usage.generation (generation) where finish = 0 and settled_at is null;

-- Thresholds that caps have passed: written with the usage that passed them, published until the broker has taken them, each once.
create table usage.cap_threshold (
  id uuid primary key,
  shard integer not null,
  subscription uuid not null,
  plan uuid not null,
  window_kind text not null,
  conversation text not null,
  hard boolean not null,
  threshold text not null,
  cap_tokens bigint not null,
  used_tokens bigint not null,
  opened_at timestamptz,
  closes_at timestamptz,
  exhausted_at timestamptz,
  reached_at timestamptz not null,
  published boolean not null default false
);
create index cap_threshold_unpublished on usage.cap_threshold (shard, reached_at) where not published;

-- Real time, beside the business time of recorded_at: how far publishing is behind.
alter table usage.report add column cut_at timestamptz not null default now();
