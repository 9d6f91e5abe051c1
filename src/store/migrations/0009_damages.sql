-- Volumes and snapshots whose bytes cannot be read, as long as that is so. A table of its own: it is empty but for bad days.
CREATE TABLE damages (
  id TEXT NOT NULL PRIMARY KEY,
  volume_id TEXT NOT NULL,
  reason TEXT NOT NULL,
  found_at INTEGER NOT NULL
) WITHOUT ROWID;
