drop index conversations_customer;
alter table conversations drop constraint conversations_customer_fkey;
