-- What the image service says about the image a volume was made from.
ALTER TABLE volumes ADD COLUMN image_metadata TEXT NOT NULL DEFAULT '{}';

-- On whose behalf a task works.
ALTER TABLE tasks ADD COLUMN user_id TEXT NOT NULL DEFAULT '';
