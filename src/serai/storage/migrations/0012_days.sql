-- How many sessions were made, and how many memories last changed, on each day: from there pages far into lists are
-- found. Memories are counted by deltas, as sessions are. The days of one user are read without passing those of others.

alter table usage_deltas
    alter column kind drop not null,                                -- null of memories
    add column memories     integer not null default 0,             -- last changed on that day, less those no more there
    add column memory_users integer not null default 0;             -- who have a memory, less those who have none any more

create table session_days (
    project_id   text   not null,
    user_id      text,                                              -- always null: these are of all users
    kind         text,                                              -- null stands for all
    component_id text,
    day          date   not null,
    sessions     bigint not null,
    unique nulls not distinct (project_id, kind, component_id, day)
) with (fillfactor = 50);                                           -- today's rows change each second

-- What is not folded yet will be added by the fold.
insert into session_days (project_id, kind, component_id, day, sessions)
select project_id, kind, component_id, day, sum(listed)
from (
    select project_id, kind, component_id, created_at::date as day, 1 as listed from sessions
    union all
    select project_id, kind, component_id, day, -listed from usage_deltas where listed <> 0
) as told
group by project_id, day, cube (kind, component_id) having grouping(component_id) = 1 or component_id is not null;

alter table memory_counts drop constraint memory_counts_pkey;
with slots as (
    delete from memory_counts returning project_id, memories, users
)
insert into memory_counts (project_id, slot, memories, users)
select project_id, 0, sum(memories), sum(users) from slots group by project_id;
alter table memory_counts drop column slot, add primary key (project_id);

create table memory_days (
    project_id text collate "C" not null,
    user_id    text,                                                -- always null
    day        date             not null,
    memories   bigint           not null,
    primary key (project_id, day)
) with (fillfactor = 50);

insert into memory_days (project_id, day, memories)
select project_id, updated_at::date, count(*) from memories group by project_id, updated_at::date;

do $$
declare old record;
begin
  for old in
    select conrelid::regclass as relation, conname as name from pg_constraint
    where contype = 'u' and conrelid in ('metrics_days'::regclass, 'metrics_models'::regclass,
                                         'metrics_kept_days'::regclass, 'metrics_kept_models'::regclass)
  loop
    execute format('alter table %s drop constraint %I', old.relation, old.name);
  end loop;
end $$;
alter table metrics_days add unique nulls not distinct (project_id, user_id, day);
alter table metrics_kept_days add unique nulls not distinct (project_id, user_id, day);
alter table metrics_models add unique nulls not distinct (project_id, user_id, day, model_id, model_provider);
alter table metrics_kept_models add unique nulls not distinct (project_id, user_id, day, model_id, model_provider);
