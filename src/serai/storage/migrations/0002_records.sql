-- Agent Data: JSON records by project, deployment and collection.

create table records (
    id              text        primary key,          -- UUIDv7, ours
    project_id      text        not null,
    deployment_name text        not null,
    collection      text        not null,
    user_id         text,
    data            jsonb       not null,             -- always an object
    created_at      timestamptz not null,
    updated_at      timestamptz not null
);
create index records_newest on records (project_id, deployment_name, collection, created_at desc, id desc);
