drop table held_echoes;
drop table own_message_ids;
drop trigger customers_retagged on customers;
drop trigger customers_tagged on customers;
drop function keep_customer_tags();
drop table customer_tags;
