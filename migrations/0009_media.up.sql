-- Files: what customers send, and what is uploaded to be sent. Their bytes lie in the data dir; a row says what they are.

-- bot_id to source are of what a customer sent, uploaded_by of an upload: the user's id, or the API key's.
create table media (
  tenant_id uuid not null,
  id uuid not null,
  origin text not null check (origin in ('inbound', 'upload')),
  bot_id uuid,
  conversation_id uuid,
  message_id uuid,
  uploaded_by uuid,
  kind text not null check (kind in ('image', 'audio', 'video', 'document', 'sticker')),
  -- What whoever sent it says that it is, and what its bytes are taken for.
  declared_type text not null,
  mime_type text not null,
  filename text,
  bytes bigint,
  sha256 text,
  state text not null check (state in ('pending', 'stored', 'failed')),
  -- Of one that failed: why. Of one that is pending: what held it up the last time.
  reason text,
  -- How its provider hands it over: whoever has it may read the file, so it is sealed, and gone once it is not needed.
  source bytea,
  key_id text,
  attempts int not null default 0,
  -- Pending: when to fetch it; leased: when the process that fetches it is taken for dead.
  due_at timestamptz not null default now(),
  is_leased boolean not null default false,
  created_at timestamptz not null default now(),
  primary key (tenant_id, id),
  check ((state = 'stored') = (sha256 is not null)),
  check ((state = 'pending') = (source is not null))
);
-- What is claimed, or deleted, is of all tenants.
create unique index media_id on media (id);
create index media_due on media (bot_id, due_at) where state = 'pending';
create index media_old on media (created_at) where origin = 'inbound';
create index media_uploads on media (tenant_id) include (bytes) where origin = 'upload';

-- The messages that show a file: who may see one of them may see the file. A column, not an expression in the index: below
-- row-level security an index serves only what cannot leak, and reading a JSON object counts as leaking.
alter table messages add column media_id text generated always as (content->>'media_id') stored;
create index messages_media on messages (tenant_id, media_id) where media_id is not null;

alter table media enable row level security;
alter table media force row level security;
grant select, insert, update, delete on media to dashoffice_app, dashoffice_worker;
create policy app on media to dashoffice_app
  using (tenant_id = (select nullif(current_setting('app.tenant_id', true), '')::uuid));
create policy worker on media to dashoffice_worker using (true);
