drop index bots_baileys;
drop table provider_session_events, provider_session_keys, provider_sessions;
