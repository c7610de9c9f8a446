-- Sessions that are made, named, listed and searched by themselves; what runs used; and the totals of each day.

alter table sessions
    add column summary       bytea,                          -- a JSON object
    add column first_run_key uuid,                           -- of the run that came first
    add column first_message text,                           -- of that run, cut: the name of a session that has none
    add column made_kind     text;                           -- with which it was made when its component was not known
alter table sessions set (fillfactor = 80);                  -- room on the page: each run writes its session twice

create index sessions_newest on sessions (project_id, created_at, id);
create index sessions_of_kind on sessions (project_id, kind, created_at, id);
create index sessions_of_user on sessions (project_id, user_id, created_at, id);
create index sessions_of_component on sessions (project_id, component_id, created_at, id);

-- What sessions are called, for searching: folded to one case and form, and the pieces of which that is made.
create table session_names (
    project_id text   not null,
    session_id text   not null,
    user_id    text,
    folded     text   not null,
    pieces     text[] not null,
    primary key (project_id, session_id)
);
create index session_names_pieces on session_names using gin (pieces);

alter table runs add column usage jsonb;                     -- tokens by model, of all segments that rest; null of children

-- What has happened and is not in the totals yet: inserted with what it tells of, folded and removed soon after.
create table usage_deltas (
    project_id   text    not null,
    day          date    not null,
    user_id      text,
    kind         text    not null,
    component_id text,
    sessions     integer not null default 0,                 -- made on that day
    listed       integer not null default 0,                 -- made, less those removed
    runs         integer not null default 0,                 -- ended on that day
    usage        jsonb,                                      -- of these runs
    is_kept      boolean not null default false              -- no session or run tells of it, or will soon no more
);

-- How many sessions there are; null stands for all.
create table session_counts (
    project_id   text   not null,
    user_id      text,
    kind         text,
    component_id text,
    sessions     bigint not null,
    unique nulls not distinct (project_id, user_id, kind, component_id)
);

-- The totals of each day; those without a user are of all, with users or without.
create table metrics_days (
    project_id          text        not null,
    day                 date        not null,
    user_id             text,
    agent_sessions      bigint      not null default 0,
    team_sessions       bigint      not null default 0,
    workflow_sessions   bigint      not null default 0,
    agent_runs          bigint      not null default 0,
    team_runs           bigint      not null default 0,
    workflow_runs       bigint      not null default 0,
    users               bigint      not null default 0,      -- of all: how many users had sessions or runs
    input_tokens        bigint      not null default 0,
    output_tokens       bigint      not null default 0,
    total_tokens        bigint      not null default 0,
    audio_input_tokens  bigint      not null default 0,
    audio_output_tokens bigint      not null default 0,
    cache_read_tokens   bigint      not null default 0,
    cache_write_tokens  bigint      not null default 0,
    reasoning_tokens    bigint      not null default 0,
    created_at          timestamptz not null default now(),
    updated_at          timestamptz not null default now(),
    unique nulls not distinct (project_id, day, user_id)
);
create table metrics_models (
    project_id     text   not null,
    day            date   not null,
    user_id        text,
    model_id       text   not null,
    model_provider text   not null,
    runs           bigint not null,                          -- that used it
    unique nulls not distinct (project_id, day, user_id, model_id, model_provider)
);

-- The same of sessions and runs that are there no more: totals are recomputed from what is there, and from these.
create table metrics_kept_days (like metrics_days including all);
create table metrics_kept_models (like metrics_models including all);

insert into usage_deltas (project_id, day, user_id, kind, component_id, sessions, listed)
select project_id, created_at::date, user_id, kind, component_id, 1, 1 from sessions;
insert into usage_deltas (project_id, day, user_id, kind, component_id, runs)
select project_id, ended_at::date, user_id, kind, component_id, 1 from runs
where parent_key is null and ended_at is not null;

-- Sessions that there are get the name of their first message. Text cannot hold U+0000, nor halves of characters.
update sessions set first_run_key = first.key, first_message = first.message
from (
    select distinct on (project_id, session_id) project_id, session_id, key,
           case when convert_from(input, 'UTF8') !~* '\\ud[89a-f]' then left(
               regexp_replace(convert_from(input, 'UTF8'), '(?<!\\)((\\\\)*)\\u0000', '\1\ufffd', 'g')::json->>'message',
               280) end as message
    from runs where parent_key is null
    order by project_id, session_id, position
) as first
where sessions.project_id = first.project_id and sessions.id = first.session_id;

insert into session_names (project_id, session_id, user_id, folded, pieces)
select project_id, id, user_id, folded,
       array(select substr(folded, i, 3) from generate_series(1, length(folded) - 2) as i
             union
             select substr(folded, i, 2) from generate_series(1, length(folded) - 1) as i
             where octet_length(substr(folded, i, 2)) > 2)
from (
    select project_id, id, user_id, lower(coalesce(nullif(name, ''), first_message)) as folded from sessions
) as named
where folded <> '';
