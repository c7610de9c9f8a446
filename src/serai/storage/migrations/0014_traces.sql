-- What happened in runs: one row for each trace, which lists read, and one for each of its spans.

create table traces (
    project_id    text        not null,
    trace_id      uuid        not null,
    user_id       text,
    session_id    text,
    run_id        text,
    agent_id      text,
    team_id       text,
    workflow_id   text,
    name          text        not null,
    status        text        not null,              -- OK, ERROR or UNSET
    entry         smallint    not null,              -- of the span that it is about: 3 root, 2 first here, 1 plain, 0 none yet
    entry_span_id bigint      not null,
    started_at    timestamptz not null,
    ended_at      timestamptz not null,              -- of what has ended; the start of a trace in which nothing has
    duration_ns   bigint,                            -- of the span that it is about; null while that goes on
    total_spans   integer     not null,
    error_count   integer     not null,
    input         text,                              -- of the span that it is about, cut
    input_tokens  bigint      not null default 0,
    output_tokens bigint      not null default 0,
    cost          double precision,                  -- US dollars; null when no price is known
    created_at    timestamptz not null default now(),
    primary key (project_id, trace_id)
);
create index traces_newest on traces (project_id, started_at, trace_id);
create index traces_of_user on traces (project_id, user_id, started_at, trace_id) where user_id is not null;
create index traces_of_session on traces (project_id, session_id, started_at, trace_id) where session_id is not null;
create index traces_of_agent on traces (project_id, agent_id, started_at, trace_id) where agent_id is not null;
create index traces_of_team on traces (project_id, team_id, started_at, trace_id) where team_id is not null;
create index traces_of_workflow on traces (project_id, workflow_id, started_at, trace_id) where workflow_id is not null;
create index traces_of_run on traces (project_id, run_id) where run_id is not null;
create index traces_not_ok on traces (project_id, status, started_at, trace_id) where status <> 'OK';
create index traces_by_age on traces using brin (started_at) with (autosummarize = on);

create table spans (
    project_id    text        not null,
    trace_id      uuid        not null,
    span_id       bigint      not null,              -- 64 bits, read as signed
    parent_id     bigint,
    user_id       text,
    kind          text        not null,              -- AGENT, TEAM, WORKFLOW, LLM, TOOL …
    name          text        not null,
    status        text        not null,
    started_at    timestamptz not null,
    duration_ns   bigint,                            -- null while it goes on
    run_id        text,
    model         text,
    provider      text,
    input_tokens  bigint,
    output_tokens bigint,
    cost          double precision,
    input         text,
    output        text,
    error         text,
    attributes    text,                              -- a JSON object
    primary key (project_id, trace_id, span_id)
);

-- When a step was done, for the spans that a node tells again which takes the run over.
alter table run_steps
    add column started_ns bigint,
    add column ended_ns   bigint;

-- The span in which a run inside a run lies.
alter table runs add column parent_span bigint;

-- What lists of traces have gained and lost and do not count yet: written by triggers, so that whoever writes or removes
-- traces, once or again, is counted right; folded and removed soon after.
create table trace_deltas (
    project_id  text        not null,
    hour        timestamptz not null,
    user_id     text,
    session_id  text,
    agent_id    text,
    team_id     text,
    workflow_id text,
    status      text        not null,
    traces      integer     not null,
    first_at    timestamptz,                           -- of those that came, or stayed; null when some have gone
    last_at     timestamptz
);

create function tell_trace_deltas() returns trigger language plpgsql as $$
begin
  if tg_op = 'INSERT' then
    insert into trace_deltas (project_id, hour, user_id, session_id, agent_id, team_id, workflow_id, status, traces,
                              first_at, last_at)
    select project_id, date_trunc('hour', started_at, 'UTC'), user_id, session_id, agent_id, team_id, workflow_id,
           status, count(*), min(created_at), max(created_at)
    from after_it group by 1, 2, 3, 4, 5, 6, 7, 8;
  elsif tg_op = 'DELETE' then
    insert into trace_deltas (project_id, hour, user_id, session_id, agent_id, team_id, workflow_id, status, traces)
    select project_id, date_trunc('hour', started_at, 'UTC'), user_id, session_id, agent_id, team_id, workflow_id,
           status, -count(*)
    from before_it group by 1, 2, 3, 4, 5, 6, 7, 8;
  else
    insert into trace_deltas (project_id, hour, user_id, session_id, agent_id, team_id, workflow_id, status, traces,
                              first_at, last_at)
    select project_id, date_trunc('hour', started_at, 'UTC'), user_id, session_id, agent_id, team_id, workflow_id,
           status, sum(number), case when sum(number) > 0 or bool_and(came_at is not null) then min(came_at) end,
           max(came_at)
    from (
        select *, 1 as number, created_at as came_at from after_it
        union all
        select before_it.*, -1, case when (before_it.session_id, before_it.user_id, before_it.agent_id,
                                           before_it.team_id, before_it.workflow_id)
            is not distinct from (after_it.session_id, after_it.user_id, after_it.agent_id, after_it.team_id,
                                  after_it.workflow_id) then before_it.created_at end
        from before_it join after_it using (project_id, trace_id)
    ) as changes
    group by 1, 2, 3, 4, 5, 6, 7, 8 having sum(number) <> 0;
  end if;
  return null;
end $$;

create trigger traces_came after insert on traces
    referencing new table as after_it for each statement execute function tell_trace_deltas();
create trigger traces_changed after update on traces
    referencing old table as before_it new table as after_it for each statement execute function tell_trace_deltas();
create trigger traces_went after delete on traces
    referencing old table as before_it for each statement execute function tell_trace_deltas();

-- How many traces there are; null stands for all.
create table trace_counts (
    project_id   text   not null,
    user_id      text,
    kind         text,                                     -- agent, team or workflow
    component_id text,
    status       text,
    traces       bigint not null,
    unique nulls not distinct (project_id, user_id, kind, component_id, status)
) with (fillfactor = 50);
create index trace_counts_zero on trace_counts (project_id) where traces = 0;

-- And how many began in each hour, in UTC.
create table trace_hours (
    project_id   text        not null,
    kind         text,
    component_id text,
    status       text,
    hour         timestamptz not null,
    traces       bigint      not null,
    unique nulls not distinct (project_id, kind, component_id, status, hour)
) with (fillfactor = 50);
create index trace_hours_zero on trace_hours (project_id) where traces = 0;

-- The traces of each session.
create table trace_sessions (
    project_id text        not null,
    session_id text        not null,
    traces     bigint      not null,
    first_at   timestamptz,
    last_at    timestamptz,
    has_lost   boolean     not null default false,         -- the first or the last may be gone
    primary key (project_id, session_id)
) with (fillfactor = 50);
create index trace_sessions_latest on trace_sessions (project_id, last_at, session_id);
create index trace_sessions_less on trace_sessions (project_id) where has_lost;

-- The same apart by whose they are and what they are of: mostly one row for each session.
create table trace_session_parts (
    nr          bigint      generated always as identity primary key,
    project_id  text        not null,
    session_id  text        not null,
    user_id     text,
    agent_id    text,
    team_id     text,
    workflow_id text,
    traces      bigint      not null,
    first_at    timestamptz,
    last_at     timestamptz,
    has_lost    boolean     not null default false,
    unique nulls not distinct (project_id, session_id, user_id, agent_id, team_id, workflow_id)
) with (fillfactor = 50);
create index trace_session_parts_of_user on trace_session_parts (project_id, user_id, last_at, session_id)
    where user_id is not null;
create index trace_session_parts_of_agent on trace_session_parts (project_id, agent_id, last_at, session_id)
    where agent_id is not null;
create index trace_session_parts_of_team on trace_session_parts (project_id, team_id, last_at, session_id)
    where team_id is not null;
create index trace_session_parts_of_workflow on trace_session_parts (project_id, workflow_id, last_at, session_id)
    where workflow_id is not null;
create index trace_session_parts_less on trace_session_parts (project_id) where has_lost;

-- Sessions and users that were just removed, as SHA-256 of their names: writers may still hold spans of them.
create table trace_removals (
    project_id text        not null,
    digest     bytea       not null,
    removed_at timestamptz not null default now(),
    primary key (project_id, digest)
);

-- How many sessions have traces.
create table trace_session_counts (
    project_id text   primary key,
    sessions   bigint not null
) with (fillfactor = 50);
