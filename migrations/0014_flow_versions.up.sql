-- What the publisher says of a version, and which earlier one it publishes again.
alter table flow_versions add column note text;
alter table flow_versions add column restored_from int;

-- Of the event's data: see src/flow/upcast.ts. What was recorded before is of the first.
alter table conversation_events add column version int not null default 1;
