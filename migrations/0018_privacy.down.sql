-- The database roles stay: they belong to the whole cluster, and other databases may use them.
do $$
declare one record;
begin
  for one in select tablename, policyname from pg_policies
    where schemaname = 'public' and policyname in ('cleaner', 'privacy')
  loop
    execute format('drop policy %I on %I', one.policyname, one.tablename);
  end loop;
end $$;
revoke all on all tables in schema public from dashoffice_cleaner, dashoffice_privacy;
revoke usage on schema public from dashoffice_cleaner, dashoffice_privacy;

drop index message_statuses_age, own_message_ids_age, own_message_ids_message, refresh_tokens_age, user_invites_age,
  ignored_webhooks_age, provider_memo_age, media_conversation;

-- A version before this one knows no such source. Row-level security is forced: the owner sees the rows only while it is not.
alter table consents no force row level security;
update consents set source = 'api' where source = 'erasure';
alter table consents force row level security;
alter table consents drop constraint consents_source_check;
alter table consents add constraint consents_source_check check (source in ('customer', 'agent', 'api'));

drop index customers_erased;
alter table customers drop column is_erased;
drop table suppression_keys, suppressions, erasures, gone_conversations;
