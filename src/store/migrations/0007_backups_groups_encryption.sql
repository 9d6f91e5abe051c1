-- Pools, groups and keys of volumes; backups; groups and their types and snapshots; QoS specs and encryption of types.
ALTER TABLE volumes ADD COLUMN pool TEXT NOT NULL DEFAULT '';
ALTER TABLE volumes ADD COLUMN migration_status TEXT;
ALTER TABLE volumes ADD COLUMN group_id TEXT;
ALTER TABLE volumes ADD COLUMN encryption_key_id TEXT;
ALTER TABLE snapshots ADD COLUMN group_snapshot_id TEXT;
ALTER TABLE volume_types ADD COLUMN qos_spec_id TEXT;
CREATE INDEX volumes_by_group ON volumes (group_id, created_at, id) WHERE group_id IS NOT NULL;
CREATE INDEX volumes_by_key ON volumes (encryption_key_id) WHERE encryption_key_id IS NOT NULL;
CREATE INDEX snapshots_by_group_snapshot ON snapshots (group_snapshot_id) WHERE group_snapshot_id IS NOT NULL;

CREATE TABLE backups (
  id TEXT NOT NULL PRIMARY KEY,
  project_id TEXT NOT NULL,
  user_id TEXT NOT NULL,
  volume_id TEXT NOT NULL,
  snapshot_id TEXT,
  parent_id TEXT,
  name TEXT,
  description TEXT,
  status TEXT NOT NULL,
  availability_zone TEXT NOT NULL,
  container TEXT NOT NULL,
  archive TEXT NOT NULL,
  service TEXT NOT NULL,
  size_gib INTEGER NOT NULL,
  object_count INTEGER NOT NULL,
  fail_reason TEXT,
  encryption_key_id TEXT,
  metadata TEXT NOT NULL,
  data_timestamp INTEGER NOT NULL,
  created_at INTEGER NOT NULL,
  updated_at INTEGER
) WITHOUT ROWID;
CREATE INDEX backups_by_time ON backups (project_id, created_at, id);
CREATE INDEX backups_by_volume ON backups (volume_id, created_at, id);
CREATE INDEX backups_by_parent ON backups (parent_id) WHERE parent_id IS NOT NULL;
CREATE INDEX backups_by_archive ON backups (archive);

CREATE TABLE group_types (
  id TEXT NOT NULL PRIMARY KEY,
  name TEXT NOT NULL UNIQUE,
  description TEXT,
  is_public INTEGER NOT NULL,
  specs TEXT NOT NULL,
  created_at INTEGER NOT NULL,
  updated_at INTEGER
) WITHOUT ROWID;

CREATE TABLE volume_groups (
  id TEXT NOT NULL PRIMARY KEY,
  project_id TEXT NOT NULL,
  user_id TEXT NOT NULL,
  group_type_id TEXT NOT NULL REFERENCES group_types (id),
  volume_types TEXT NOT NULL,
  availability_zone TEXT NOT NULL,
  name TEXT,
  description TEXT,
  status TEXT NOT NULL,
  group_snapshot_id TEXT,
  source_group_id TEXT,
  created_at INTEGER NOT NULL,
  updated_at INTEGER
) WITHOUT ROWID;
CREATE INDEX volume_groups_by_time ON volume_groups (project_id, created_at, id);

CREATE TABLE group_snapshots (
  id TEXT NOT NULL PRIMARY KEY,
  project_id TEXT NOT NULL,
  user_id TEXT NOT NULL,
  group_id TEXT NOT NULL REFERENCES volume_groups (id),
  group_type_id TEXT NOT NULL,
  name TEXT,
  description TEXT,
  status TEXT NOT NULL,
  created_at INTEGER NOT NULL,
  updated_at INTEGER
) WITHOUT ROWID;
CREATE INDEX group_snapshots_by_time ON group_snapshots (project_id, created_at, id);
CREATE INDEX group_snapshots_by_group ON group_snapshots (group_id);

CREATE TABLE qos_specs (
  id TEXT NOT NULL PRIMARY KEY,
  name TEXT NOT NULL UNIQUE,
  consumer TEXT NOT NULL,
  specs TEXT NOT NULL,
  created_at INTEGER NOT NULL,
  updated_at INTEGER
) WITHOUT ROWID;

CREATE TABLE type_encryptions (
  id TEXT NOT NULL PRIMARY KEY,
  volume_type_id TEXT NOT NULL UNIQUE REFERENCES volume_types (id) ON DELETE CASCADE,
  provider TEXT NOT NULL,
  control_location TEXT NOT NULL,
  cipher TEXT,
  key_size INTEGER,
  created_at INTEGER NOT NULL,
  updated_at INTEGER
) WITHOUT ROWID;

-- The type that a project's volumes have when none is asked for.
CREATE TABLE default_types (
  id TEXT NOT NULL PRIMARY KEY,
  volume_type_id TEXT NOT NULL REFERENCES volume_types (id) ON DELETE CASCADE
) WITHOUT ROWID;
