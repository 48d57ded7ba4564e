-- Takes everything from role :"role" that reaches beyond its databases; run as postgres in database postgres. psql goes on after an
-- error and tells it, so that each statement is tried. No session enters a database of the user's: what is in there keeps its
-- owner, a role that nobody logs in as, and is never given to a superuser, who would lend his rights to functions of the user's.
\set QUIET on
\pset format unaligned
\pset tuples_only on

select count(pg_terminate_backend(pid, 5000)) from pg_stat_activity
where usename = :'role' or datid in (select d.oid from pg_database d join pg_roles r on r.oid = d.datdba where r.rolname = :'role')
\g /dev/null
alter role :"role" nologin nosuperuser nocreatedb nocreaterole noreplication nobypassrls password null connection limit 0;
select format('alter database %I allow_connections false', datname)
from pg_database d join pg_roles r on r.oid = d.datdba where r.rolname = :'role'
\gexec
select count(pg_terminate_backend(pid, 5000)) from pg_stat_activity
where usename = :'role' or datid in (select d.oid from pg_database d join pg_roles r on r.oid = d.datdba where r.rolname = :'role')
\g /dev/null
select format('revoke all on database %I from %s cascade', d.datname, coalesce(quote_ident(g.rolname), 'public'))
from pg_database d join pg_roles r on r.oid = d.datdba
cross join lateral aclexplode(d.datacl) a left join pg_roles g on g.oid = a.grantee
where r.rolname = :'role'
\gexec
select format('alter database %I reset all', datname), format('revoke all on database %I from public', datname),
       format('alter database %I owner to postgres', datname)
from pg_database d join pg_roles r on r.oid = d.datdba where r.rolname = :'role'
\gexec

-- what the role has in database postgres, and what others have granted it on theirs
drop owned by :"role" cascade;
select format('revoke %I from %I', g.rolname, m.rolname)
from pg_auth_members a join pg_roles g on g.oid = a.roleid join pg_roles m on m.oid = a.member
where :'role' in (g.rolname, m.rolname)
\gexec
alter role :"role" reset all;

-- The name is free for somebody else. A role that owns nothing any more goes.
select format('alter role %I rename to %I', rolname, format('left:%s:%s', rolname, oid)) from pg_roles where rolname = :'role'
\gexec
select format('drop role %I', rolname) from pg_roles r
where rolname like 'left:%' and not exists (
    select from pg_shdepend where refclassid = 'pg_authid'::regclass and refobjid = r.oid)
\gexec
