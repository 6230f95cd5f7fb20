-- What lost owners may still have out stands beside their successor's own slab: an array of {"Tokens", "Until"}, each until its own lease ends.
alter table usage.slab add column inherited jsonb not null default '[]';
