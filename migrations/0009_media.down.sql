drop index messages_media;
drop table media;
