-- What a task works with says what it is: "backup:ID" and not an id whose table follows from the task's kind.
ALTER TABLE tasks ADD COLUMN payload TEXT;
UPDATE tasks SET payload = CASE kind
    WHEN 'volume.create' THEN 'volume:'
    WHEN 'volume.create_from_image' THEN 'image:'
    WHEN 'volume.reimage' THEN 'image:'
    WHEN 'volume.upload' THEN 'image:'
    WHEN 'volume.create_from_backup' THEN 'backup:'
    WHEN 'backup.create' THEN 'backup:'
    WHEN 'backup.restore' THEN 'backup:'
    WHEN 'backup.delete' THEN 'backup:'
    WHEN 'volume.retype' THEN 'volume_type:'
    WHEN 'volume.migrate' THEN 'pool:'
    WHEN 'volume.manage' THEN 'found:'
    WHEN 'snapshot.manage' THEN 'snapshot:'
    WHEN 'group_snapshot.create' THEN 'group_snapshot:'
  END || target
  WHERE target IS NOT NULL;
UPDATE tasks SET payload = IIF(target IS NULL, 'keep:', 'forget:') || COALESCE(resume_status, 'attached'), resume_status = NULL
  WHERE kind = 'export.stop';
ALTER TABLE tasks DROP COLUMN target;
