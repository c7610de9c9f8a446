-- Knowledge: contents of bases, the bytes they were made of, and the chunks they were cut into. Vectors of chunks are in
-- a table that is made when PostgreSQL has the extension and a base has an embedder: knowledge_vectors.

create table knowledge_contents (
    project_id     text        not null,
    base_id        text        not null,
    id             uuid        not null,                    -- follows from the base and the bytes, or the URL
    user_id        text,
    name           text,
    description    text,
    metadata       jsonb       not null default '{}',
    origin         text        not null,                    -- text, url or file
    media_type     text,
    url            text,
    reader_id      text,                                    -- what was asked for; null leaves it to the base
    chunker        text,
    chunk_size     integer,
    chunk_overlap  integer,
    sha256         bytea,                                   -- of the bytes; null of a URL that was not fetched yet
    size           bigint      not null default 0,
    replaces       boolean     not null default false,      -- others of its name go when it is there
    status         text        not null default 'processing',
    status_message text        not null default '',
    phase          text,                                    -- of what is processed
    done           bigint      not null default 0,          -- how far the phase is
    goal           bigint      not null default 0,          -- how far it will go
    chunks         integer     not null default 0,          -- how many it has
    has_vectors    boolean     not null default false,      -- whether these have theirs
    job_id         uuid,
    created_at     timestamptz not null default now(),
    updated_at     timestamptz not null default now(),
    primary key (project_id, base_id, id)
);
create index knowledge_contents_newest on knowledge_contents (project_id, base_id, created_at, id);
create index knowledge_contents_named on knowledge_contents (project_id, base_id, name, id);
create index knowledge_contents_by_id on knowledge_contents (project_id, id);
-- What is to be embedded once there is a model.
create index knowledge_contents_unembedded on knowledge_contents (base_id, project_id, id)
    where status = 'completed' and not has_vectors and chunks > 0;
create index knowledge_contents_of_user on knowledge_contents (project_id, user_id) where user_id is not null;

create table knowledge_sources (
    project_id text    not null,
    base_id    text    not null,
    content_id uuid    not null,
    position   integer not null,                            -- of a piece of it, from 0
    user_id    text,
    bytes      bytea   not null,
    primary key (project_id, base_id, content_id, position),
    foreign key (project_id, base_id, content_id) references knowledge_contents on delete cascade
);

-- Each language of PostgreSQL once more, without stop words: documents are indexed with all their words, so that phrases
-- and questions of nothing but stop words find them.
do $$
declare language record;
declare dictionary record;
begin
  for language in
    select distinct config.oid, config.cfgname as name
    from pg_ts_config as config
    join pg_ts_config_map on mapcfg = config.oid
    join pg_ts_dict as dict on dict.oid = mapdict
    join pg_ts_template as template on template.oid = dict.dicttemplate
    where config.cfgnamespace = 'pg_catalog'::regnamespace and template.tmplname = 'snowball'
  loop
    execute format('create text search configuration %I (copy = pg_catalog.%I)', 'serai_' || language.name, language.name);
    for dictionary in
      select distinct dict.dictname as name, (regexp_match(dict.dictinitoption, 'language = ''(\w+)'''))[1] as stems
      from pg_ts_config_map join pg_ts_dict as dict on dict.oid = mapdict
      where mapcfg = language.oid and dict.dictname <> 'simple'
    loop
      if not exists (select from pg_ts_dict where dictname = 'serai_' || dictionary.name) then
        execute format('create text search dictionary %I (template = pg_catalog.snowball, language = %L)',
                       'serai_' || dictionary.name, dictionary.stems);
      end if;
      execute format('alter text search configuration %I alter mapping replace pg_catalog.%I with %I',
                     'serai_' || language.name, dictionary.name, 'serai_' || dictionary.name);
    end loop;
  end loop;
end $$;

create table knowledge_chunks (
    project_id text     not null,
    base_id    text     not null,
    content_id uuid     not null,
    position   integer  not null,                           -- from 1
    user_id    text,
    text       text     not null,
    metadata   jsonb    not null,
    tokens     integer  not null,
    words      tsvector not null,                           -- and one lexeme that names the base
    primary key (project_id, base_id, content_id, position),
    foreign key (project_id, base_id, content_id) references knowledge_contents on delete cascade
) with (toast_tuple_target = 8160);                         -- what is ranked is read where it lies
create index knowledge_chunks_words on knowledge_chunks using gin (words);
create index knowledge_chunks_metadata on knowledge_chunks using gin (metadata jsonb_path_ops);

-- Vectors of texts that an embedding model has been asked for, so that none is paid for twice.
create table knowledge_embeddings (
    project_id text        not null,
    model      text        not null,                        -- provider and name
    dimensions integer     not null,
    sha256     bytea       not null,                        -- of the text
    user_id    text,
    vector     bytea       not null,                        -- single precision, little endian
    used_at    timestamptz not null default now(),
    primary key (project_id, model, dimensions, sha256)
);
create index knowledge_embeddings_used on knowledge_embeddings (used_at);
create index knowledge_embeddings_of_user on knowledge_embeddings (project_id, user_id) where user_id is not null;

-- The model and the length of a base's vectors: what is not alike cannot be compared.
create table knowledge_models (
    project_id text    not null,
    base_id    text    not null,
    user_id    text,                                        -- always null: a base is its project's
    model      text    not null,
    dimensions integer not null,
    primary key (project_id, base_id)
);
