-- Agent Data: JSON records by project, deployment and collection.

create table records (
    id              text        primary key,          -- UUIDv7, ours
    project_id      text        not null,
    deployment_name text        not null,
    collection      text        not null,
    user_id         text,
    data            jsonb       not null,             -- always an object
    created_at      timestamptz not null,
    updated_at      timestamptz not null,
    idempotency_key text,
    fingerprint     bytea                             -- of the request, for a repeated idempotency key
);
create index records_newest on records (project_id, deployment_name, collection, created_at desc, id desc);
create unique index records_idempotency on records (project_id, idempotency_key) where idempotency_key is not null;
