-- A state that is long is not written with every turn: how many of the conversation's last events it does not fold.
alter table conversations add column unfolded int not null default 0;
-- Compressing a long state costs more than writing it as it is.
alter table conversations alter column state set storage external;
