-- Several instances: who holds a shard (null when it was left in good order), and who is a member of the cluster.
alter table usage.shard add column holder text;

create table usage.cluster (
  cluster text primary key,
  version integer not null
);

-- One row per instance that ever joined, until it is cleaned up. The entry is Orleans's own, etag is the version that wrote it.
create table usage.cluster_member (
  cluster text not null,
  silo text not null,
  status text not null,
  entry jsonb not null,
  alive_at timestamptz not null,
  etag integer not null,
  primary key (cluster, silo)
);
