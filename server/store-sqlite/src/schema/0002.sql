-- Blobs are encrypted: a company's key is wrapped under the master key, a folder's key under its company's. In a row from before this
-- step it is absent, and the folder's blobs are plain, until `legacy.rs` has encrypted them.
ALTER TABLE companies DROP COLUMN blob_name_key;
ALTER TABLE companies ADD COLUMN wrapped_key BLOB;
ALTER TABLE folders ADD COLUMN wrapped_key BLOB;
CREATE INDEX folders_plain ON folders (id) WHERE wrapped_key IS NULL;

-- Whether the deletion that the tombstone announced is done.
ALTER TABLE tombstones ADD COLUMN swept INTEGER NOT NULL DEFAULT 0;
CREATE INDEX tombstones_created ON tombstones (created_at);
