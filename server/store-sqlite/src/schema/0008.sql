-- JSON of clients and analyzers has columns of its own, the last ones of their rows: a read that does not select it does not
-- touch its pages. A column that is added later follows them; put a large one into another table.
ALTER TABLE folders ADD COLUMN json TEXT NOT NULL DEFAULT '{}';
UPDATE folders SET json = metadata;
ALTER TABLE folders DROP COLUMN metadata;
ALTER TABLE folders RENAME COLUMN json TO metadata;

ALTER TABLE media ADD COLUMN json TEXT NOT NULL DEFAULT '{}';
UPDATE media SET json = metadata;
ALTER TABLE media DROP COLUMN metadata;
ALTER TABLE media RENAME COLUMN json TO metadata;

ALTER TABLE analyses ADD COLUMN params TEXT NOT NULL DEFAULT '{}';
ALTER TABLE analyses ADD COLUMN result TEXT;
UPDATE analyses SET
    params = ifnull(request_doc -> '$.params', '{}'),
    request_doc = json_remove(request_doc, '$.params'),
    result = nullif(outcome_doc -> '$.result', 'null'),
    outcome_doc = json_remove(outcome_doc, '$.result');
