-- Cases: analyses that wait for the decision of a person, or have one. They are no columns of
-- `analyses`, because those would follow large JSON. A claim keeps other people from a case.
CREATE TABLE cases (
    row INTEGER PRIMARY KEY,
    analysis_id TEXT NOT NULL UNIQUE REFERENCES analyses (id) ON DELETE CASCADE,
    company_id TEXT NOT NULL,
    kind TEXT NOT NULL,
    -- Codes of the machine's reasons, each between spaces.
    reason_codes TEXT NOT NULL,
    -- NULL once enough people agree.
    waits_since INTEGER,
    claimed_by TEXT,
    claimed_since INTEGER,
    claimed_until INTEGER,
    -- Time of the newest decision.
    decided_at INTEGER,
    decisions_doc TEXT
) STRICT;
CREATE INDEX cases_waiting ON cases (waits_since, analysis_id) WHERE waits_since IS NOT NULL;
CREATE INDEX cases_company_waiting ON cases (company_id, waits_since, analysis_id)
    WHERE waits_since IS NOT NULL;
CREATE INDEX cases_decided ON cases (decided_at) WHERE decided_at IS NOT NULL;
CREATE INDEX cases_company_decided ON cases (company_id, decided_at)
    WHERE decided_at IS NOT NULL;

INSERT INTO cases (analysis_id, company_id, kind, reason_codes, waits_since)
SELECT a.id, f.company_id, a.kind,
    ' ' || ifnull((SELECT group_concat(json_extract(reason.value, '$.code'), ' ')
        FROM json_each(a.outcome_doc, '$.reasons') reason), '') || ' ',
    ifnull(a.finished_at, a.created_at)
FROM analyses a JOIN folders f ON f.id = a.folder_id
WHERE a.state = 'FINISHED' AND a.resolution = 'OPERATOR_REQUIRED';

-- All versions of the policies of companies.
CREATE TABLE policies (
    company_id TEXT NOT NULL REFERENCES companies (id) ON DELETE CASCADE,
    version INTEGER NOT NULL,
    changed_at INTEGER,
    changed_by TEXT,
    rules_doc TEXT NOT NULL,
    PRIMARY KEY (company_id, version)
) STRICT, WITHOUT ROWID;
