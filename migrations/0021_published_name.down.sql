alter table flows drop column published_name;
