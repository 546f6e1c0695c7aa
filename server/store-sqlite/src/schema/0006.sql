-- A run names its company, so that companies take turns.
ALTER TABLE runs ADD COLUMN company_id TEXT NOT NULL DEFAULT '';
UPDATE runs SET company_id = (SELECT company_id FROM folders f WHERE f.id = folder_id);
DROP INDEX runs_waiting;
CREATE INDEX runs_unfinished ON runs (pool, company_id, turn_at, row) WHERE state <> 'DONE';
