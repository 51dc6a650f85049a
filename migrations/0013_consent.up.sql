-- Lists by tag, and messages that the business writes on its own phone.

-- customers.tags as rows, kept by triggers: below row-level security an index on an array is of no use, since asking what
-- an array contains counts as leaking.
create table customer_tags (
  tenant_id uuid not null,
  tag text not null,
  customer_id uuid not null,
  primary key (tenant_id, tag, customer_id),
  foreign key (tenant_id, customer_id) references customers on delete cascade
);
create index customer_tags_customer on customer_tags (tenant_id, customer_id);

create function keep_customer_tags() returns trigger language plpgsql as $$
begin
  delete from customer_tags t
    where t.tenant_id = new.tenant_id and t.customer_id = new.id and t.tag <> all (new.tags);
  insert into customer_tags (tenant_id, tag, customer_id)
    select new.tenant_id, tag, new.id from unnest(new.tags) as tag
    on conflict do nothing;
  return null;
end $$;
create trigger customers_tagged after insert on customers
  for each row when (new.tags <> '{}') execute function keep_customer_tags();
create trigger customers_retagged after update of tags on customers
  for each row when (new.tags is distinct from old.tags) execute function keep_customer_tags();

-- What providers call our messages besides messages.provider_message_id: the earlier parts of one that went out in
-- several, and the tries before one that was sent once more.
create table own_message_ids (
  tenant_id uuid not null,
  bot_id uuid not null,
  provider_message_id text not null,
  message_id uuid not null,
  created_at timestamptz not null default now(),
  primary key (tenant_id, bot_id, provider_message_id)
);

-- Messages that a provider tells of as written on the phone, while it may still turn out that they are ours: sends to
-- that customer were under way, and their answers will say what they are called.
create table held_echoes (
  tenant_id uuid not null,
  bot_id uuid not null,
  provider_message_id text not null,
  -- The message as it was read.
  message jsonb not null,
  -- The messages that were being sent, and the conversation of each.
  waits_for uuid[] not null,
  waits_in uuid[] not null,
  received_at timestamptz not null default now(),
  primary key (tenant_id, bot_id, provider_message_id),
  foreign key (tenant_id, bot_id) references bots on delete cascade
);

do $$
declare table_name text;
begin
  foreach table_name in array array['customer_tags', 'own_message_ids', 'held_echoes'] loop
    execute format('alter table %I enable row level security', table_name);
    execute format('alter table %I force row level security', table_name);
    execute format('grant select, insert, update, delete on %I to dashoffice_app, dashoffice_worker', table_name);
    execute format($policy$create policy app on %I to dashoffice_app
      using (tenant_id = (select nullif(current_setting('app.tenant_id', true), '')::uuid))$policy$, table_name);
    execute format('create policy worker on %I to dashoffice_worker using (true)', table_name);
  end loop;
end $$;
