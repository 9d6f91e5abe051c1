-- What explains an object: the tasks of its volume that failed, the messages about it.
CREATE INDEX tasks_failed_by_volume ON tasks (volume_id, ended_at, id) WHERE state = 'failed';
CREATE INDEX messages_by_resource ON messages (resource_id, created_at, id);
