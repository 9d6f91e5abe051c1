-- What a failed task left outside of the store is taken away later.
ALTER TABLE tasks ADD COLUMN undo_left INTEGER NOT NULL DEFAULT 0;
CREATE INDEX tasks_undo_left ON tasks (created_at, id) WHERE undo_left = 1;
