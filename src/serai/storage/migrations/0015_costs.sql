-- What models cost, where their price is known: US dollars; null where it is not known of any of them.
-- A run's is in runs.usage, as the member cost of each model.

alter table metrics_days        add column cost numeric;
alter table metrics_kept_days   add column cost numeric;
alter table metrics_models      add column cost numeric;  -- of the runs that used it
alter table metrics_kept_models add column cost numeric;

-- Those who watch a server count the runs that wait for a person.
create index runs_paused on runs (kind) where status = 'PAUSED' and parent_key is null;
