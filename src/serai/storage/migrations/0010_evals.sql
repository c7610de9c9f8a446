-- Evals: what was asked to be measured, what each iteration gave, and what it came to.

create table eval_runs (
    id             uuid        primary key,                 -- UUIDv7
    project_id     text        not null,
    user_id        text,
    name           text,
    eval_type      text        not null,
    kind           text        not null,                    -- of the component
    component_id   text        not null,
    component_name text        not null,
    model_id       text,                                    -- of the judge where there is one, else of the component
    model_provider text,
    input          bytea       not null,                    -- what was asked, JSON in UTF-8
    iterations     integer     not null,
    finished       integer     not null default 0,          -- how many of them are
    results        bytea       not null default '',         -- theirs, an object in JSON a line; empty once it has ended
    data           bytea,                                   -- what they came to, JSON; null until it ends
    status         text        not null default 'PENDING',
    error          text,                                    -- why nothing could be measured
    job_id         uuid        not null,                    -- that does it
    created_at     timestamptz not null default now(),
    updated_at     timestamptz not null default now()
);
create index eval_runs_newest on eval_runs (project_id, created_at, id);
create index eval_runs_of_component on eval_runs (project_id, kind, component_id, created_at, id);
create index eval_runs_of_user on eval_runs (project_id, user_id, created_at, id);
