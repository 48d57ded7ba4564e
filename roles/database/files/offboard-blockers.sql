-- Ends sessions of users for which the session of offboard.sql waits, whatever it is that they hold, until it is ended itself.
\pset tuples_only on
select pg_terminate_backend(holder.pid)
from pg_stat_activity waiting
cross join unnest(pg_blocking_pids(waiting.pid)) blocking (pid)
join pg_stat_activity holder on holder.pid = blocking.pid
join pg_roles r on r.oid = holder.usesysid
where waiting.application_name = 'vizgate-offboard' and waiting.usesysid = (select oid from pg_roles where rolname = current_user)
    and not r.rolsuper
\watch 0.2
