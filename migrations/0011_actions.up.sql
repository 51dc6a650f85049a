-- What the actions of flows need: carts, a catalogue that is read in its order and searched, turns of sellers.

-- What a customer is about to order from a bot, a row per product. It holds nothing back: stock is taken by the order.
-- One that nobody has looked at for a week is given up; see src/commerce/carts.ts.
create table carts (
  tenant_id uuid not null,
  bot_id uuid not null,
  customer_id uuid not null,
  product_id uuid not null,
  line smallint not null,
  -- What the product was called when it was put in: it may be gone when the cart is looked at.
  name text not null,
  quantity int not null check (quantity > 0),
  -- The same in all rows of a cart.
  seen_at timestamptz not null default now(),
  primary key (tenant_id, bot_id, customer_id, product_id),
  foreign key (tenant_id, customer_id) references customers on delete cascade
);
create index carts_customer on carts (tenant_id, customer_id);
create index carts_seen on carts (tenant_id, seen_at);

-- What is searched in a product, as it is compared.
alter table products add column search_text text not null
  generated always as (plain_text(sku || ' ' || name || ' ' || description)) stored;
create index products_catalog on products (tenant_id, in_stock desc, name, id) where active;

-- When a seller was last given a conversation in turn: a number that only grows; 0 is never.
alter table sellers add column assigned_turn bigint not null default 0;
create sequence seller_turns;
grant usage on sequence seller_turns to dashoffice_app, dashoffice_worker;
grant update (assigned_turn) on sellers to dashoffice_worker;

alter table carts enable row level security;
alter table carts force row level security;
grant select, insert, update, delete on carts to dashoffice_app, dashoffice_worker;
create policy app on carts to dashoffice_app
  using (tenant_id = (select nullif(current_setting('app.tenant_id', true), '')::uuid));
create policy worker on carts to dashoffice_worker using (true);
