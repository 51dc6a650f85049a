-- The database roles stay: they belong to the whole cluster, and other databases may use them.
drop table order_items, orders, products, timers, outbox, inbox, message_statuses, messages, conversation_events,
  conversations, customer_identities, customers, bot_secrets, bots, flow_versions, flows, refresh_tokens, users, tenants;
revoke usage on schema public from dashoffice_app, dashoffice_worker, dashoffice_auth;
