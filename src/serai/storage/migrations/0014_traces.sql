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
create index traces_of_session on traces (project_id, session_id, started_at, trace_id) where session_id is not null;
create index traces_of_run on traces (project_id, run_id) where run_id is not null;

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
