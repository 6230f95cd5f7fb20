-- A batch is read whole and sorted by its ordinals then. Without them its rows share one key, which the index stores once.
drop index usage.token_event_batch;
create index token_event_batch on usage.token_event (shard, batch);
-- Totals are updated in place, many times: with room left in its page a row's new version needs no new index entry.
alter table usage.conversation set (fillfactor = 70);
alter table usage.period_total set (fillfactor = 50);
alter table usage.window_total set (fillfactor = 50);
