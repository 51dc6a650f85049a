drop index customer_identities_bot;
drop index customer_identities_value;
drop index orders_seller_status;
drop index products_shown;
alter table products drop column in_stock;
