-- Work in the background: claimed, leased and fenced as runs are.

create table jobs (
    id         uuid        primary key,               -- UUIDv7
    kind       text        not null,                  -- which handler does it
    project_id text        not null,
    user_id    text,
    payload    jsonb       not null,                  -- what the handler needs to know
    dedupe_key text,                                  -- one job of a kind and key is waiting or running at a time
    status     text        not null default 'PENDING',
    node_id    text,
    epoch      integer     not null default 0,        -- rises with each claim; fences whoever held it before
    attempts   integer     not null default 0,        -- claims, less those that were given back unharmed
    not_before timestamptz not null default now(),
    progress   jsonb,                                 -- what the handler reported last; outlives an attempt
    error      text,                                  -- of the last attempt that failed
    created_at timestamptz not null default now(),
    started_at timestamptz,
    ended_at   timestamptz
) with (fillfactor = 70);                             -- room on the page: progress is written often
create unique index jobs_dedupe on jobs (project_id, kind, dedupe_key)
    where dedupe_key is not null and status in ('PENDING', 'RUNNING');
create index jobs_claimable on jobs (not_before, kind) where status = 'PENDING';
create index jobs_of_node on jobs (node_id) where status = 'RUNNING';
create index jobs_of_project on jobs (project_id, id);
create index jobs_ended on jobs (ended_at) where ended_at is not null;
