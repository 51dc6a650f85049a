-- A version before this one takes a stored state for the whole.
do $$
begin
  if exists (select from conversations where unfolded > 0) then
    raise exception 'Some conversations have long states that are behind their events: close them first, which writes their states';
  end if;
end $$;
alter table conversations alter column state set storage extended;
alter table conversations drop column unfolded;
