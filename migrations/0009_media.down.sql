drop index messages_media;
alter table messages drop column media_id;
drop table media;
