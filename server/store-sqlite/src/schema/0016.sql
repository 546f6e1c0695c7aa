-- The newest analyses of a folder.
CREATE INDEX analyses_newest ON analyses (folder_id, created_at);
