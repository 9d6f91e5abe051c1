-- Groups of users, their roles, and the access keys that sign requests.
CREATE TABLE user_groups (
  id TEXT NOT NULL PRIMARY KEY,
  domain_id TEXT NOT NULL REFERENCES domains (id),
  name TEXT NOT NULL,
  description TEXT NOT NULL,
  UNIQUE (domain_id, name)
) WITHOUT ROWID;

CREATE TABLE group_members (
  user_id TEXT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
  group_id TEXT NOT NULL REFERENCES user_groups (id) ON DELETE CASCADE,
  PRIMARY KEY (user_id, group_id)
) WITHOUT ROWID;
CREATE INDEX group_members_by_group ON group_members (group_id);

CREATE TABLE group_role_assignments (
  group_id TEXT NOT NULL REFERENCES user_groups (id) ON DELETE CASCADE,
  target_kind TEXT NOT NULL,
  target_id TEXT NOT NULL,
  role_id TEXT NOT NULL REFERENCES roles (id) ON DELETE CASCADE,
  PRIMARY KEY (group_id, target_kind, target_id, role_id)
) WITHOUT ROWID;
CREATE INDEX group_role_assignments_by_target ON group_role_assignments (target_kind, target_id);

CREATE TABLE access_keys (
  id TEXT NOT NULL PRIMARY KEY,
  user_id TEXT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
  secret TEXT NOT NULL,
  description TEXT NOT NULL,
  active INTEGER NOT NULL,
  created_at INTEGER NOT NULL
) WITHOUT ROWID;
CREATE INDEX access_keys_by_user ON access_keys (user_id, created_at, id);
