-- Deleting a medium erases the details of the analyses that took it.
ALTER TABLE analyses ADD COLUMN details_erased_at INTEGER;

-- Erasing a folder deletes its idempotency keys: without this index it read all of them.
CREATE INDEX idempotency_folder ON idempotency (json_extract(replay_doc, '$.folder_id'));
