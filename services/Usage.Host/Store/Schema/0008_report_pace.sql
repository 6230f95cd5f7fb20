-- When a shard's last report was cut, by the clock of this database: whoever writes the shard next keeps the pace of whoever wrote it before.
alter table usage.shard add column report_cut_at timestamptz;
