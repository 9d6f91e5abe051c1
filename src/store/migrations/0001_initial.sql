-- Times are microseconds since 1970 UTC, booleans 0/1, metadata a canonical JSON object (sorted keys, no blanks).

CREATE TABLE volume_types (
  id TEXT NOT NULL PRIMARY KEY,
  name TEXT NOT NULL UNIQUE,
  description TEXT,
  is_public INTEGER NOT NULL,
  extra_specs TEXT NOT NULL,
  iops_base INTEGER NOT NULL,
  iops_per_gib INTEGER NOT NULL,
  iops_max INTEGER NOT NULL,
  iops_burst INTEGER NOT NULL,
  mibps_base INTEGER NOT NULL,
  mibps_per_100_gib INTEGER NOT NULL,
  mibps_max INTEGER NOT NULL,
  created_at INTEGER NOT NULL,
  updated_at INTEGER
) WITHOUT ROWID;

CREATE TABLE volumes (
  id TEXT NOT NULL PRIMARY KEY,
  project_id TEXT NOT NULL,
  user_id TEXT NOT NULL,
  name TEXT,
  description TEXT,
  status TEXT NOT NULL,
  size_gib INTEGER NOT NULL,
  volume_type_id TEXT NOT NULL REFERENCES volume_types (id),
  availability_zone TEXT NOT NULL,
  bootable INTEGER NOT NULL,
  multiattach INTEGER NOT NULL,
  read_only INTEGER NOT NULL,
  snapshot_id TEXT,
  source_volume_id TEXT,
  metadata TEXT NOT NULL,
  created_at INTEGER NOT NULL,
  updated_at INTEGER
) WITHOUT ROWID;
CREATE INDEX volumes_by_time ON volumes (project_id, created_at, id);
CREATE INDEX volumes_by_name ON volumes (project_id, name, id);
CREATE INDEX volumes_by_type ON volumes (volume_type_id, project_id, size_gib);
CREATE INDEX volumes_by_size ON volumes (project_id, size_gib);

CREATE TABLE snapshots (
  id TEXT NOT NULL PRIMARY KEY,
  project_id TEXT NOT NULL,
  user_id TEXT NOT NULL,
  volume_id TEXT NOT NULL REFERENCES volumes (id),
  name TEXT,
  description TEXT,
  status TEXT NOT NULL,
  size_gib INTEGER NOT NULL,
  metadata TEXT NOT NULL,
  created_at INTEGER NOT NULL,
  updated_at INTEGER
) WITHOUT ROWID;
CREATE INDEX snapshots_by_time ON snapshots (project_id, created_at, id);
CREATE INDEX snapshots_by_name ON snapshots (project_id, name, id);
CREATE INDEX snapshots_by_volume ON snapshots (volume_id, created_at, id);
CREATE INDEX snapshots_by_size ON snapshots (project_id, size_gib);

CREATE TABLE attachments (
  id TEXT NOT NULL PRIMARY KEY,
  project_id TEXT NOT NULL,
  user_id TEXT NOT NULL,
  volume_id TEXT NOT NULL REFERENCES volumes (id),
  snapshot_id TEXT REFERENCES snapshots (id),
  instance_id TEXT,
  host_name TEXT,
  mountpoint TEXT,
  mode TEXT NOT NULL,
  status TEXT NOT NULL,
  connector TEXT,
  export_uri TEXT,
  created_at INTEGER NOT NULL,
  updated_at INTEGER,
  attached_at INTEGER
) WITHOUT ROWID;
CREATE INDEX attachments_by_time ON attachments (project_id, created_at, id);
CREATE INDEX attachments_by_volume ON attachments (volume_id, created_at, id);

CREATE TABLE tasks (
  id TEXT NOT NULL PRIMARY KEY,
  kind TEXT NOT NULL,
  state TEXT NOT NULL,
  project_id TEXT NOT NULL,
  volume_id TEXT NOT NULL,
  snapshot_id TEXT,
  attachment_id TEXT,
  size_gib INTEGER NOT NULL,
  resume_status TEXT,
  target TEXT,
  request_id TEXT NOT NULL,
  owner TEXT NOT NULL,
  lease_until INTEGER NOT NULL,
  attempts INTEGER NOT NULL,
  created_at INTEGER NOT NULL,
  ended_at INTEGER,
  error TEXT
) WITHOUT ROWID;
CREATE INDEX tasks_live ON tasks (lease_until) WHERE state = 'live';
CREATE INDEX tasks_live_by_volume ON tasks (volume_id) WHERE state = 'live';
CREATE INDEX tasks_ended ON tasks (ended_at) WHERE state <> 'live';

-- project_id '' holds the defaults that an administrator has changed.
CREATE TABLE quotas (
  project_id TEXT NOT NULL,
  resource TEXT NOT NULL,
  hard_limit INTEGER NOT NULL,
  PRIMARY KEY (project_id, resource)
) WITHOUT ROWID;

CREATE TABLE domains (
  id TEXT NOT NULL PRIMARY KEY,
  name TEXT NOT NULL UNIQUE,
  description TEXT NOT NULL,
  enabled INTEGER NOT NULL
) WITHOUT ROWID;

CREATE TABLE projects (
  id TEXT NOT NULL PRIMARY KEY,
  domain_id TEXT NOT NULL REFERENCES domains (id),
  name TEXT NOT NULL,
  description TEXT NOT NULL,
  enabled INTEGER NOT NULL,
  UNIQUE (domain_id, name)
) WITHOUT ROWID;

CREATE TABLE users (
  id TEXT NOT NULL PRIMARY KEY,
  domain_id TEXT NOT NULL REFERENCES domains (id),
  name TEXT NOT NULL,
  description TEXT NOT NULL,
  email TEXT,
  default_project_id TEXT,
  enabled INTEGER NOT NULL,
  password_hash TEXT NOT NULL,
  password_changed_at INTEGER NOT NULL,
  UNIQUE (domain_id, name)
) WITHOUT ROWID;

CREATE TABLE roles (
  id TEXT NOT NULL PRIMARY KEY,
  name TEXT NOT NULL UNIQUE
) WITHOUT ROWID;

-- target_kind: project, domain or system.
CREATE TABLE role_assignments (
  user_id TEXT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
  target_kind TEXT NOT NULL,
  target_id TEXT NOT NULL,
  role_id TEXT NOT NULL REFERENCES roles (id) ON DELETE CASCADE,
  PRIMARY KEY (user_id, target_kind, target_id, role_id)
) WITHOUT ROWID;
CREATE INDEX role_assignments_by_target ON role_assignments (target_kind, target_id);

CREATE TABLE application_credentials (
  id TEXT NOT NULL PRIMARY KEY,
  user_id TEXT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
  project_id TEXT NOT NULL REFERENCES projects (id) ON DELETE CASCADE,
  name TEXT NOT NULL,
  description TEXT,
  secret_hash TEXT NOT NULL,
  roles TEXT NOT NULL,
  unrestricted INTEGER NOT NULL,
  expires_at INTEGER,
  UNIQUE (user_id, name)
) WITHOUT ROWID;

CREATE TABLE signing_keys (
  id TEXT NOT NULL PRIMARY KEY,
  secret TEXT NOT NULL,
  created_at INTEGER NOT NULL
) WITHOUT ROWID;

CREATE TABLE revoked_tokens (
  id TEXT NOT NULL PRIMARY KEY,
  expires_at INTEGER NOT NULL
) WITHOUT ROWID;
