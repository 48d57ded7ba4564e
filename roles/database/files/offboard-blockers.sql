-- Ends the users' sessions that hold a lock for which offboard.sql waits. Runs until it is killed.
\pset tuples_only on
select pg_terminate_backend(holder.pid)
from pg_stat_activity waiting
cross join unnest(pg_blocking_pids(waiting.pid)) blocking (pid)
join pg_stat_activity holder on holder.pid = blocking.pid
join pg_roles r on r.oid = holder.usesysid
where waiting.application_name = 'vizgate-offboard' and waiting.usesysid = (select oid from pg_roles where rolname = current_user)
    and not r.rolsuper
\watch 0.2
