-- In which windows that roll a row was counted, by when they were opened; null where it was in none. It is decided when the row is received, and a correction finds it here:
-- by the time of receipt it would take rows of before a plan brought the window, and miss those of a clock that was behind. Rows of before this are marked with -infinity
-- (a constant default rewrites no table): they are still found by their time.
alter table usage.token_event add column five_hours timestamptz default '-infinity', add column week timestamptz default '-infinity';
alter table usage.token_event alter column five_hours drop default, alter column week drop default;
-- Days that stand detached too, or a straggler could not attach them again.
do $$
declare
  detached regclass;
begin
  for detached in select c.oid from pg_class c where c.relnamespace = 'usage'::regnamespace and c.relkind = 'r' and c.relname ~ '^token_event_[0-9]{8}$'
    and not exists (select from pg_inherits i where i.inhrelid = c.oid)
  loop
    execute format('alter table %s add column five_hours timestamptz default ''-infinity'', add column week timestamptz default ''-infinity''', detached);
    execute format('alter table %s alter column five_hours drop default, alter column week drop default', detached);
  end loop;
end $$;

-- By a clock that is behind, two windows of a kind may not be closed yet, and a generation may have rows in both.
alter table usage.correction_window drop constraint correction_window_pkey, add primary key (correction, kind, opened_at);
