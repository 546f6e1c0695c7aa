-- The audit log. `number` and `hash` are absent until an entry has its place in its chain.
CREATE TABLE audit_entries (
    id TEXT PRIMARY KEY,
    chain TEXT NOT NULL,
    at INTEGER NOT NULL,
    actor TEXT NOT NULL,
    origin TEXT,
    action TEXT NOT NULL,
    object TEXT,
    before TEXT,
    after TEXT,
    number INTEGER,
    hash BLOB
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX audit_chained ON audit_entries (chain, number) WHERE number IS NOT NULL;
CREATE INDEX audit_waiting ON audit_entries (id) WHERE number IS NULL;

CREATE TABLE audit_heads (
    chain TEXT PRIMARY KEY,
    signed TEXT NOT NULL
) STRICT, WITHOUT ROWID;
