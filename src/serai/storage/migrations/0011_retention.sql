-- How far the tidying of old runs has come.

create table retention_marks (
    kind       text primary key,                             -- what is tidied
    project_id text,                                         -- null: of all
    user_id    text,
    run_key    uuid not null                                 -- of the last root run that was looked at
);

-- Runs that were passed by because they had not rested for long enough.
create table retention_left (
    kind       text not null,
    project_id text not null,
    user_id    text,
    run_key    uuid not null,
    primary key (kind, run_key)
);
