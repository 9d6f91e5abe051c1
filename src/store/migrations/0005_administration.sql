-- What an administrator decides about volumes, snapshots, types and services.
ALTER TABLE volumes ADD COLUMN read_only_set INTEGER NOT NULL DEFAULT 0;
ALTER TABLE snapshots ADD COLUMN progress TEXT;

-- Projects that may use a private volume type.
CREATE TABLE volume_type_access (
  volume_type_id TEXT NOT NULL REFERENCES volume_types (id) ON DELETE CASCADE,
  project_id TEXT NOT NULL,
  PRIMARY KEY (volume_type_id, project_id)
) WITHOUT ROWID;

-- Services that are not simply enabled.
CREATE TABLE service_states (
  id TEXT NOT NULL PRIMARY KEY,
  disabled INTEGER NOT NULL,
  disabled_reason TEXT,
  frozen INTEGER NOT NULL
) WITHOUT ROWID;
