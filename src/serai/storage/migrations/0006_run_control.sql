-- Runs that pause and go on, runs that are cancelled, and runs that were cancelled before they came.

alter table runs
    add column next_seq     integer     not null default 0,  -- of the next segment's first event; written when a segment ends
    add column segment_seq  integer     not null default 0,  -- of this segment's first event
    add column carried      bytea,                           -- what a paused run takes along beside its output and messages
    add column cancel_asked_at timestamptz;                  -- by somebody; the node that runs it ends it

-- Runs that rest when this is applied: their next event follows what their log holds.
update runs set next_seq = coalesce((select max(seq) + 1 from run_events where run_key = runs.key), 0)
where status = 'PAUSED';

-- A cancel that came before its run: the run is cancelled when it comes, within a day.
create table run_cancellations (
    project_id text        not null,
    run_id     text        not null,
    user_id    text,
    created_at timestamptz not null default now(),
    primary key (project_id, run_id)
);

-- Each component's runs are claimed by themselves: what waits for others, or for a place, is not looked at.
drop index runs_claimable;
create index runs_claimable on runs (kind, component_id, created_at) where status = 'PENDING' and ready;

-- A run that paused just when it was cancelled is cancelled after all.
create index runs_late_cancels on runs (key) where status = 'PAUSED' and cancel_asked_at is not null;

-- Runs inside a run are found by their root, when it is taken over or continued.
create index runs_children on runs (root_key) where parent_key is not null;
