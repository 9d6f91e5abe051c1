-- A store is one daemon's, which holds its lock: nobody ever read whose a task was and until when.
DROP INDEX tasks_live;
ALTER TABLE tasks DROP COLUMN lease_until;
ALTER TABLE tasks DROP COLUMN owner;
CREATE INDEX tasks_live ON tasks (created_at) WHERE state = 'live';
