-- Tags and the dedicated-storage fields of EVS, batches of tasks, transfers.
ALTER TABLE volumes ADD COLUMN tags TEXT NOT NULL DEFAULT '{}';
ALTER TABLE volumes ADD COLUMN dedicated_storage_id TEXT;
ALTER TABLE volumes ADD COLUMN enterprise_project_id TEXT;
ALTER TABLE snapshots ADD COLUMN tags TEXT NOT NULL DEFAULT '{}';
ALTER TABLE tasks ADD COLUMN error_code TEXT;
ALTER TABLE tasks ADD COLUMN batch_id TEXT;
CREATE INDEX tasks_by_batch ON tasks (batch_id, created_at, id) WHERE batch_id IS NOT NULL;
CREATE INDEX attachments_by_instance ON attachments (instance_id, volume_id) WHERE instance_id IS NOT NULL;

CREATE TABLE transfers (
  id TEXT NOT NULL PRIMARY KEY,
  project_id TEXT NOT NULL,
  volume_id TEXT NOT NULL REFERENCES volumes (id),
  name TEXT,
  key_hash TEXT NOT NULL,
  no_snapshots INTEGER NOT NULL,
  created_at INTEGER NOT NULL
) WITHOUT ROWID;
CREATE INDEX transfers_by_time ON transfers (project_id, created_at, id);
CREATE UNIQUE INDEX transfers_by_volume ON transfers (volume_id);

-- A role with a policy is a custom policy: a list of allowed and denied actions.
ALTER TABLE roles ADD COLUMN description TEXT;
ALTER TABLE roles ADD COLUMN policy TEXT;
