drop function drop_log_partitions(text, timestamptz);
drop function make_log_partitions(text, date[]);
drop table message_logs;
drop table analytics_events;
drop table system_logs;
