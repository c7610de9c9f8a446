-- The answers to writes that carried an Idempotency-Key; and records whose id the caller may choose, each project its own.

create table idempotency_keys (
    project_id  text        not null,
    key         text        not null,
    user_id     text,
    fingerprint bytea       not null,                 -- of the request
    answer      jsonb       not null,                 -- what its answer held beyond the request; times in microseconds
    created_at  timestamptz not null default now(),
    expires_at  timestamptz not null,
    primary key (project_id, key)
);
create index idempotency_keys_expiry on idempotency_keys (expires_at);

insert into idempotency_keys (project_id, key, user_id, fingerprint, answer, created_at, expires_at)
select project_id, idempotency_key, user_id, fingerprint,
       jsonb_build_object('id', id, 'created_at', (extract(epoch from created_at) * 1000000)::bigint),
       created_at, created_at + interval '24 hours'
from records where idempotency_key is not null and created_at > now() - interval '24 hours';

drop index records_idempotency;
alter table records
    drop column idempotency_key,
    drop column fingerprint,
    drop constraint records_pkey,
    add primary key (project_id, id);
