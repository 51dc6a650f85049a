-- What lists are filtered by is found through an index, in the order of the list, however rare it is.

-- Whether a product can be sold at once. A column of its own, so that a sale changes no index unless it takes the last
-- piece.
alter table products add column in_stock boolean not null generated always as (stock > 0) stored;
create index products_shown on products (tenant_id, active, in_stock, id);

create index orders_seller_status on orders (tenant_id, seller_id, status, id) where seller_id is not null;

create index customer_identities_value on customer_identities (tenant_id, value);
create index customer_identities_bot on customer_identities (tenant_id, bot_id, customer_id);
