drop index audit_log_action, audit_log_thing, audit_log_resource;
create index audit_log_resource on audit_log (tenant_id, resource, resource_id, id);
drop index refresh_tokens_user;
