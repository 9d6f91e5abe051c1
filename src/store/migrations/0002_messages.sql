-- What happened to a resource after its call was answered, for its owner to read.
CREATE TABLE messages (
  id TEXT NOT NULL PRIMARY KEY,
  project_id TEXT NOT NULL,
  event_id TEXT NOT NULL,
  level TEXT NOT NULL,
  text TEXT NOT NULL,
  resource_type TEXT NOT NULL,
  resource_id TEXT NOT NULL,
  request_id TEXT NOT NULL,
  created_at INTEGER NOT NULL,
  expires_at INTEGER NOT NULL
) WITHOUT ROWID;
CREATE INDEX messages_by_time ON messages (project_id, created_at, id);
CREATE INDEX messages_expired ON messages (expires_at);
