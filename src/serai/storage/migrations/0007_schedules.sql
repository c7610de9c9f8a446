-- Schedules that start runs, and the runs they have started.

create table schedules (
    id              uuid             primary key,      -- UUIDv7
    project_id      text             not null,
    user_id         text,                              -- on whose behalf its runs are
    name            text             not null,
    description     text,
    declared_by     text,                              -- the OS in whose code it stands; null: it was made over HTTP
    declared_paused boolean,                           -- as it stands there; is_paused is what holds
    kind            text             not null,
    component_id    text             not null,
    cron            text             not null,
    timezone        text             not null,
    input           bytea            not null,         -- of each run, JSON in UTF-8
    session_id      text,                              -- of all its runs; null: each has its own
    misfire         text             not null,
    misfire_grace_s double precision not null,
    is_paused       boolean          not null,
    next_fire_at    timestamptz,                       -- null while it is paused
    last_fire_at    timestamptz,
    last_run_id     text,
    last_error      text,                              -- why the last firing started no run
    created_at      timestamptz      not null default now(),
    updated_at      timestamptz      not null default now()
);
create unique index schedules_name on schedules (project_id, name);
create index schedules_due on schedules (next_fire_at) where next_fire_at is not null;

create table schedule_runs (
    schedule_id uuid        not null,
    run_id      text        not null,
    project_id  text        not null,
    user_id     text,
    fire_at     timestamptz not null,                  -- the time it was started for
    is_manual   boolean     not null,                  -- a person fired it
    primary key (schedule_id, run_id)
);
create index schedule_runs_newest on schedule_runs (schedule_id, fire_at desc, run_id);
