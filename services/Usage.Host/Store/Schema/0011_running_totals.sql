-- Totals of a generation that runs, and of its conversation, are written with each report and not with each commit: up to then they lack rows that no report covers.
-- This adds them. Which they are, the generation's last sequence says; none of them has overrun. It is called in a transaction that holds the shard.
create function usage.make_totals_whole(of_shard integer) returns void language plpgsql
-- Rows by the index of batches, and from each to its generation, whatever the planner believes of tables that grow.
set enable_hashjoin = off set enable_mergejoin = off set enable_seqscan = off set jit = off
as $$
declare
  reported bigint;
begin
  select reported_batch into strict reported from usage.shard where shard = of_shard;
  with unreported as materialized (
    select generation, sequence, batch, ordinal, subscription, conversation, plan, output, reasoning, received_at, finish from usage.token_event where shard = of_shard and batch > reported
  ), compared as materialized (
    select u.*, u.sequence > g.last_sequence as is_lacking from unreported u join usage.generation g using (generation)
  ), generations as (
    update usage.generation g set last_sequence = n.sequence, reported_output = g.reported_output + n.output, reported_reasoning = g.reported_reasoning + n.reasoning,
      output = g.output + n.output, reasoning = g.reasoning + n.reasoning, heard_at = now(), settled_at = null
    from (select generation, max(sequence) as sequence, sum(output)::bigint as output, sum(reasoning)::bigint as reasoning from compared where is_lacking group by generation) n
    where g.generation = n.generation
  )
  update usage.conversation c set plan = n.plan, finish = n.finish, output = c.output + n.output, reasoning = c.reasoning + n.reasoning, last_activity = greatest(c.last_activity, n.received_at)
  from (
    select subscription, conversation, sum(output) filter (where is_lacking)::bigint as output, sum(reasoning) filter (where is_lacking)::bigint as reasoning, max(received_at) as received_at,
      (array_agg(plan order by batch desc, ordinal desc))[1] as plan, (array_agg(finish order by batch desc, ordinal desc))[1] as finish
    from compared group by subscription, conversation having bool_or(is_lacking)
  ) n where c.subscription = n.subscription and c.conversation = n.conversation;
end $$;

-- Whoever takes a shard finds the totals whole, whichever version it is: while instances are replaced one by one, an older one that knows nothing of this may be next.
create function usage.take_over() returns trigger language plpgsql as $$
begin
  perform usage.make_totals_whole(new.shard);
  return new;
end $$;
create trigger take_over before update of epoch on usage.shard for each row execute function usage.take_over();
