-- When the last row of a detached partition was received: sums over earlier times lack rows. Of tables that are no longer here it was before they were detached.
alter table usage.detached_partition add column last_received_at timestamptz;
do $$
declare detached record; last timestamptz;
begin
  for detached in select day, rows, detached_at from usage.detached_partition where rows > 0 loop
    last := detached.detached_at;
    if to_regclass('usage.token_event_' || to_char(detached.day, 'YYYYMMDD')) is not null then
      execute format('select max(received_at) from usage.%I', 'token_event_' || to_char(detached.day, 'YYYYMMDD')) into last;
    end if;
    update usage.detached_partition d set last_received_at = coalesce(last, detached.detached_at) where d.day = detached.day;
  end loop;
end $$;
