-- Sessions, runs with their steps and events, the nodes that run them, and media.
-- Text that a model, a tool or a caller wrote may hold U+0000, which jsonb refuses: such columns are bytea with JSON in UTF-8.

create table sessions (
    project_id     text        not null,
    id             text        not null,
    user_id        text,
    kind           text        not null,              -- agent, team or workflow
    component_id   text,
    name           text,
    state          bytea,                             -- a JSON object; null is {}
    metadata       bytea,
    active_run_key uuid,                              -- the root run whose turn it is
    run_count      bigint      not null default 0,
    input_tokens   bigint      not null default 0,
    output_tokens  bigint      not null default 0,
    created_at     timestamptz not null default now(),
    updated_at     timestamptz not null default now(),
    primary key (project_id, id)
);

create table runs (
    key             uuid        primary key,          -- UUIDv7, ours
    id              text        not null,             -- public; the caller may choose it
    project_id      text        not null,
    user_id         text,
    session_id      text        not null,
    root_key        uuid        not null,
    parent_key      uuid,
    kind            text        not null,
    component_id    text        not null,
    status          text        not null,
    ready           boolean     not null,             -- its session's turn has come: may be claimed
    position        bigint      not null,             -- order within the session
    node_id         text,
    epoch           integer     not null default 0,   -- rises with each claim; fences whoever held it before
    segment         integer     not null default 0,   -- rises with each continuation
    takeovers       integer     not null default 0,
    idempotency_key text,
    fingerprint     bytea,                            -- of the request, for a repeated idempotency key
    input           bytea       not null,
    output          bytea,                            -- the run object, without messages
    messages        bytea,                            -- this run's messages only
    created_at      timestamptz not null default now(),
    started_at      timestamptz,
    ended_at        timestamptz
);
create unique index runs_id on runs (project_id, id);
create unique index runs_idempotency on runs (project_id, idempotency_key) where idempotency_key is not null;
create index runs_of_session on runs (project_id, session_id, position);
create index runs_waiting on runs (project_id, session_id, position) where status = 'PENDING';
create index runs_claimable on runs (created_at) where status = 'PENDING' and ready;
create index runs_of_node on runs (node_id) where status = 'RUNNING';

create table run_steps (
    run_key     uuid        not null,
    segment     integer     not null,
    operation   text        not null,
    call        text        not null,                 -- tool call id, or the ordinal of the operation
    epoch       integer     not null,
    project_id  text        not null,
    user_id     text,
    fingerprint bytea       not null,
    result      bytea       not null,
    created_at  timestamptz not null default now(),
    primary key (run_key, segment, operation, call)
);

-- Keys are UUIDv7, so a range of keys is a range of time: a run's events lie in one partition, and old ones are dropped whole.
create table run_events (
    run_key    uuid    not null,
    seq        integer not null,                      -- 0, 1, 2 … per run: the SSE id and event_index
    epoch      integer not null,
    project_id text    not null,
    user_id    text,
    name       text    not null,
    event      bytea   not null,                      -- JSON in UTF-8, as sent
    primary key (run_key, seq)
) partition by range (run_key);
create table run_events_default partition of run_events default;

create table nodes (
    id          text        primary key,
    project_id  text        not null default 'default',
    user_id     text,
    name        text        not null,
    lock_key    bigint      not null,                 -- held as an advisory lock while the process lives
    lease_until timestamptz not null,
    started_at  timestamptz not null default now()
);

create table blobs (
    project_id text        not null,
    sha256     bytea       not null,
    user_id    text,
    size       bigint      not null,
    media_type text        not null,
    bytes      bytea       not null,
    created_at timestamptz not null default now(),
    primary key (project_id, sha256)
);
