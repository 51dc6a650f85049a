drop table webhook_deliveries, webhooks, tenant_secrets, calls;
