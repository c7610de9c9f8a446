-- Indexes of records that come by themselves: hot collections keep typed copies of hot fields in a narrow table.

create table record_places (
    number          integer     generated always as identity primary key,
    project_id      text        not null,
    user_id         text,
    deployment_name text        not null,
    collection      text        not null,
    version         bigint      not null default 1,   -- rises when a slot is taken away: what was planned before is void
    -- Where each slot's value is in the payload, and where else to look when it leads nowhere; null: the slot is free.
    path_1 text[], path_2 text[], path_3 text[], path_4 text[], path_5 text[], path_6 text[], path_7 text[], path_8 text[],
    else_1 text[], else_2 text[], else_3 text[], else_4 text[], else_5 text[], else_6 text[], else_7 text[], else_8 text[],
    filled          integer     not null default 0,   -- bit i-1: slot i holds the values of all records
    created_at      timestamptz not null default now(),
    unique (project_id, deployment_name, collection)
);

create table record_slots (
    place      integer     not null,                  -- a number of record_places
    id         text        not null,
    created_at timestamptz not null,
    odd        integer     not null default 0,        -- bit i-1: too long for slot i; bit i+7: an array or object in slot i
    k1 smallint, n1 numeric, t1 text collate "C",     -- kind, number and text of the first slot's value
    k2 smallint, n2 numeric, t2 text collate "C",
    k3 smallint, n3 numeric, t3 text collate "C",
    k4 smallint, n4 numeric, t4 text collate "C",
    k5 smallint, n5 numeric, t5 text collate "C",
    k6 smallint, n6 numeric, t6 text collate "C",
    k7 smallint, n7 numeric, t7 text collate "C",
    k8 smallint, n8 numeric, t8 text collate "C",
    primary key (place, id)
);
create index record_slots_odd on record_slots (place, odd) where odd <> 0;

create table record_indexes (
    name            text        primary key,          -- of the index in PostgreSQL
    project_id      text        not null,
    user_id         text,
    deployment_name text        not null,
    collection      text        not null,
    kind            text        not null,             -- gin: on all of data; shape: on slots
    shape           jsonb       not null,             -- what it is for; {} for gin
    declared        boolean     not null default false, -- asked for by a person: never dropped as unused
    state           text        not null,             -- building, ready, dropping, failed
    error           text,
    uses            bigint      not null default 0,
    created_at      timestamptz not null default now(),
    built_at        timestamptz,
    last_used_at    timestamptz,
    unique (project_id, deployment_name, collection, kind, shape)
);
