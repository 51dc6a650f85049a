alter table sellers drop column assigned_turn;
drop sequence seller_turns;
drop index products_catalog;
alter table products drop column search_text;
drop table carts;
