-- What is remembered of users: the memories, what is counted of them, and the changes that nobody asked for by hand.

create table memories (
    id                uuid             not null,      -- UUIDv7: its order is that of creation
    project_id        text collate "C" not null,
    user_id           text collate "C" not null,
    memory            text             not null,
    folded            text             not null,      -- the text as it is searched
    fold_hash         bytea            not null,      -- of project, user and the text without regard to case and blanks
    marks             integer[]        not null,      -- hashes: of what the text contains, of topics, agent and team
    topics            text[]           not null,
    agent_id          text,
    team_id           text,
    source_run_id     text,
    source_session_id text,
    origin            text             not null,      -- caller, tool, extraction or optimize
    revision          integer          not null,      -- rises with each change
    created_at        timestamptz      not null,
    updated_at        timestamptz      not null,
    primary key (project_id, id)
);
create index memories_latest on memories (project_id, updated_at, id);
create index memories_of_user on memories (project_id, user_id, updated_at, id);
create index memories_same on memories (fold_hash);
create index memories_marks on memories using gin (marks) with (gin_pending_list_limit = 512);

create table memory_users (
    project_id      text collate "C" not null,
    user_id         text collate "C" not null,
    memories        bigint           not null,        -- 0: there were some
    last_updated_at timestamptz      not null,
    primary key (project_id, user_id)
);
create index memory_users_latest on memory_users (project_id, last_updated_at, user_id) where memories > 0;

create table memory_topics (
    project_id text collate "C" not null,
    user_id    text collate "C" not null,
    topic      text collate "C" not null,
    memories   bigint           not null,
    primary key (project_id, user_id, topic)
);
create index memory_topics_of_project on memory_topics (project_id, topic);

create table memory_counts (
    project_id text collate "C" not null,
    user_id    text,                                  -- always null: these are of all users
    slot       integer          not null,             -- so that writers do not wait for each other; the sum counts
    memories   bigint           not null,
    users      bigint           not null,             -- who have a memory
    primary key (project_id, slot)
) with (fillfactor = 50);

create table memory_changes (
    id           uuid             not null,           -- UUIDv7
    project_id   text collate "C" not null,
    user_id      text collate "C" not null,
    memory_id    uuid             not null,
    action       text             not null,           -- created, updated or deleted
    origin       text             not null,           -- caller: only to undo another
    operation_id text,                                -- what was done at once, and is done once
    run_id       text,
    session_id   text,
    agent_id     text,
    team_id      text,
    before       bytea,                               -- the memory, JSON in UTF-8
    after        bytea,
    at           timestamptz      not null default now(),
    undone_at    timestamptz,
    undoes       uuid,
    primary key (project_id, id)
);
create index memory_changes_of_user on memory_changes (project_id, user_id, id);
create index memory_changes_of_memory on memory_changes (project_id, memory_id, id);
create index memory_changes_of_run on memory_changes (project_id, run_id, id) where run_id is not null;
create index memory_changes_of_operation on memory_changes (project_id, operation_id) where operation_id is not null;
