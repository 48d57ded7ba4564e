-- Removes all rights of role :"role" outside of its databases; run as postgres in database postgres. No session enters a database
-- of the user: its objects keep their owner, a role without login. They are never reassigned to a superuser, because the user's
-- functions would then run with the rights of a superuser.
-- psql continues after an error. The final check decides: it prints one line "problem: …" for each remaining problem, and then
-- "checked".
\set QUIET on
\pset format unaligned
\pset tuples_only on
set application_name = 'vizgate-offboard'; -- offboard-blockers.sql ends the users' sessions that block this one

select oid as id, array(select d.oid from pg_database d where d.datdba = r.oid)::text as databases
from pg_roles r where rolname = :'role'
\gset
prepare end_sessions as select count(pg_terminate_backend(pid, 5000)) from pg_stat_activity
where usesysid = :id or datid = any (:'databases'::oid[]);
-- Database names may contain any bytes, which psql could not send back, so the commands run on the server.
create function pg_temp.try(commands text[]) returns void language plpgsql as $$
declare
    command text;
begin
    foreach command in array commands loop
        begin
            execute command;
        exception when others then
            raise warning '%: %', encode(textsend(command), 'escape'), encode(textsend(sqlerrm), 'escape');
        end;
    end loop;
end $$;

execute end_sessions \g /dev/null
alter role :"role" nologin nosuperuser nocreatedb nocreaterole noreplication nobypassrls password null connection limit 0;
select pg_temp.try(array(
    select format('alter database %I allow_connections false', datname) from pg_database where datdba = :id))
\g /dev/null
execute end_sessions \g /dev/null
select pg_temp.try(array(
    select format('revoke all on database %I from %s cascade', d.datname, coalesce(quote_ident(g.rolname), 'public'))
    from pg_database d cross join lateral aclexplode(d.datacl) a left join pg_roles g on g.oid = a.grantee
    where d.datdba = :id))
\g /dev/null
select pg_temp.try(array(
    select format(command, datname) from pg_database d cross join unnest(array[
        'alter database %I reset all', 'revoke all on database %I from public', 'alter database %I owner to postgres']) command
    where d.datdba = :id))
\g /dev/null

-- objects of the role in database postgres, and rights that others have granted to it
drop owned by :"role" cascade;
select pg_temp.try(array(
    select format('revoke %I from %I', g.rolname, m.rolname)
    from pg_auth_members a join pg_roles g on g.oid = a.roleid join pg_roles m on m.oid = a.member
    where :id in (g.oid, m.oid)))
\g /dev/null
alter role :"role" reset all;

-- When no problem is left, the role is renamed, so that its name is free. A role without objects is dropped.
create function pg_temp.remaining(role oid, databases oid[]) returns table (problem text) language sql as $$
    select 'the role can log in or has administrative rights' from pg_authid where oid = role
        and (rolcanlogin or rolsuper or rolcreatedb or rolcreaterole or rolreplication or rolbypassrls or rolpassword is not null)
    union all
    select 'the role is a member of another role, or has members' where exists (
        select from pg_auth_members where role in (roleid, member))
    union all
    select count(*) || ' of the databases accept connections or belong to the role' from pg_database
    where datdba = role or oid = any (databases) and datallowconn
    having count(*) > 0
$$;
select format('alter role %I rename to %I', rolname, format('left:%s:%s', rolname, oid)) from pg_roles
where oid = :id and not exists (select from pg_temp.remaining(:id, :'databases'))
\gexec
select format('drop role %I', rolname) from pg_roles
where oid = :id and rolname like 'left:%' and not exists (
    select from pg_shdepend where refclassid = 'pg_authid'::regclass and refobjid = :id)
\gexec
select 'problem: ' || problem from pg_temp.remaining(:id, :'databases')
union all
select 'problem: the role still has its name' from pg_roles where rolname = :'role'
union all
select 'checked';
