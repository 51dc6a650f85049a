-- A conversation names a customer there is. Without it, one that was opened while its customer was merged or deleted had
-- mail that no turn could take.

-- Nobody opens one between the repair and the constraint.
lock table customers, conversations in share row exclusive mode;

-- Row-level security is forced, and its policies are for the program's roles: an owner who is no superuser and does not
-- inherit their rights would see no row here.
set local role dashoffice_worker;
-- A customer without a name or an address takes the place of each that is missing. Mail that was stuck then has its turn,
-- and what is to be sent fails with its reason (no_address), in a conversation that a person can see.
insert into customers (tenant_id, id)
select distinct c.tenant_id, c.customer_id from conversations c
where not exists (select from customers k where k.tenant_id = c.tenant_id and k.id = c.customer_id);
reset role;

alter table conversations add constraint conversations_customer_fkey
  foreign key (tenant_id, customer_id) references customers;
-- Read when a customer is merged or deleted, and for the conversations of a customer.
create index conversations_customer on conversations (tenant_id, customer_id);
