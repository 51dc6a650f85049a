alter table conversation_events drop column version;
alter table flow_versions drop column restored_from;
alter table flow_versions drop column note;
