-- What the API of users and of the audit log looks for.

-- All logins of a user end together.
create index refresh_tokens_user on refresh_tokens (tenant_id, user_id);

-- Each filter of the log alone, newest first.
drop index audit_log_resource;
create index audit_log_resource on audit_log (tenant_id, resource, id);
create index audit_log_thing on audit_log (tenant_id, resource_id, id) where resource_id is not null;
create index audit_log_action on audit_log (tenant_id, action, id);
