-- What other flows call a published flow by: the name that it was published under, whatever its draft is called.
alter table flows add column published_name text;
update flows f set published_name = v.document ->> 'name'
  from flow_versions v
  where v.tenant_id = f.tenant_id and v.flow_id = f.id and v.version = f.published_version;
-- Where two were published under one name, the one whose draft is called so was the one that was called.
update flows f set published_name = null
  where exists (
    select from flows o
    where o.tenant_id = f.tenant_id and o.published_name = f.published_name and o.id <> f.id
      and ((o.name = o.published_name, o.id) > (f.name = f.published_name, f.id)));
alter table flows add constraint flows_published_name unique (tenant_id, published_name);
