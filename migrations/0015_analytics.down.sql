drop table analytics_dirty_hours, analytics_rollups, analytics_leases, projector_positions;
drop sequence analytics_marks;
drop index orders_conversation;
alter table messages drop column unknown_at, drop column failed_at, drop column read_at, drop column delivered_at,
  drop column sent_at, drop column reply_to_at, drop column tx;
alter table conversation_events drop column tx;
