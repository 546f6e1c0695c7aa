-- Times are integers: nanoseconds since 1970 (UTC). Identifiers are UUIDs in text form. `row` orders by insertion.
-- Columns named *_doc hold a JSON document with a version field `v` (see documents.rs).

CREATE TABLE companies (
    row INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    name TEXT NOT NULL,
    blob_name_key BLOB NOT NULL,
    created_at INTEGER NOT NULL
) STRICT;

CREATE TABLE users (
    row INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    company_id TEXT NOT NULL REFERENCES companies (id),
    email TEXT NOT NULL UNIQUE,
    name TEXT NOT NULL,
    role TEXT NOT NULL,
    is_service INTEGER NOT NULL,
    password_hash TEXT NOT NULL,
    failed_logins INTEGER NOT NULL DEFAULT 0,
    locked_until INTEGER,
    created_at INTEGER NOT NULL
) STRICT;

CREATE TABLE sessions (
    row INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    user_id TEXT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    created_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    revoked INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE INDEX sessions_user ON sessions (user_id);
CREATE INDEX sessions_expiry ON sessions (expires_at);

-- `used` tokens are kept for as long as their session, so that a second use is noticed.
CREATE TABLE refresh_tokens (
    sha256 TEXT PRIMARY KEY,
    session_id TEXT NOT NULL REFERENCES sessions (id) ON DELETE CASCADE,
    used INTEGER NOT NULL DEFAULT 0
) STRICT, WITHOUT ROWID;
CREATE INDEX refresh_tokens_session ON refresh_tokens (session_id);

CREATE TABLE folders (
    row INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    company_id TEXT NOT NULL REFERENCES companies (id),
    owner_id TEXT NOT NULL REFERENCES users (id),
    external_id TEXT,
    metadata TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    media_changed_at INTEGER,
    revision INTEGER NOT NULL
) STRICT;
CREATE UNIQUE INDEX folders_external_id ON folders (company_id, external_id) WHERE external_id IS NOT NULL;
CREATE INDEX folders_created ON folders (created_at, id);
CREATE INDEX folders_updated ON folders (updated_at, id);
CREATE INDEX folders_company_created ON folders (company_id, created_at, id);
CREATE INDEX folders_company_updated ON folders (company_id, updated_at, id);
CREATE INDEX folders_owner_created ON folders (owner_id, created_at, id);
CREATE INDEX folders_owner_updated ON folders (owner_id, updated_at, id);

CREATE TABLE media (
    row INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    folder_id TEXT NOT NULL REFERENCES folders (id) ON DELETE CASCADE,
    metadata TEXT NOT NULL,
    properties_doc TEXT NOT NULL,
    sha256 TEXT NOT NULL,
    blob_key TEXT NOT NULL,
    thumbnail_key TEXT,
    created_at INTEGER NOT NULL
) STRICT;
CREATE INDEX media_folder ON media (folder_id);
CREATE INDEX media_blob ON media (blob_key);
CREATE INDEX media_thumbnail ON media (thumbnail_key) WHERE thumbnail_key IS NOT NULL;

CREATE TABLE analysis_groups (
    row INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    folder_id TEXT NOT NULL REFERENCES folders (id) ON DELETE CASCADE,
    analyses_doc TEXT NOT NULL,
    created_at INTEGER NOT NULL
) STRICT;
CREATE INDEX analysis_groups_folder ON analysis_groups (folder_id);

CREATE TABLE runs (
    row INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    folder_id TEXT NOT NULL REFERENCES folders (id) ON DELETE CASCADE,
    pool TEXT NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('QUEUED', 'LEASED', 'DONE')),
    node TEXT,
    lease_until INTEGER,
    fence INTEGER NOT NULL DEFAULT 0,
    retry_at INTEGER,
    one_by_one INTEGER NOT NULL DEFAULT 0,
    deaths INTEGER NOT NULL DEFAULT 0,
    created_at INTEGER NOT NULL
) STRICT;
CREATE INDEX runs_folder ON runs (folder_id);
CREATE INDEX runs_waiting ON runs (created_at, row) WHERE state <> 'DONE';

CREATE TABLE analyses (
    row INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    folder_id TEXT NOT NULL REFERENCES folders (id) ON DELETE CASCADE,
    group_id TEXT NOT NULL REFERENCES analysis_groups (id) ON DELETE CASCADE,
    run_id TEXT NOT NULL REFERENCES runs (id) ON DELETE CASCADE,
    kind TEXT NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('QUEUED', 'RUNNING', 'FINISHED', 'FAILED', 'CANCELLED')),
    resolution TEXT,
    progress REAL NOT NULL,
    request_doc TEXT NOT NULL,
    outcome_doc TEXT NOT NULL,
    attempts INTEGER NOT NULL,
    deaths INTEGER NOT NULL,
    timeout_ms INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    started_at INTEGER,
    finished_at INTEGER,
    revision INTEGER NOT NULL
) STRICT;
CREATE INDEX analyses_folder ON analyses (folder_id);
CREATE INDEX analyses_group ON analyses (group_id);
CREATE INDEX analyses_run ON analyses (run_id);
CREATE INDEX analyses_kind ON analyses (folder_id, kind);

CREATE TABLE artifacts (
    row INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    analysis_id TEXT NOT NULL REFERENCES analyses (id) ON DELETE CASCADE,
    name TEXT NOT NULL,
    content_type TEXT NOT NULL,
    byte_size INTEGER NOT NULL,
    sha256 TEXT NOT NULL,
    blob_key TEXT NOT NULL,
    UNIQUE (analysis_id, name)
) STRICT;
CREATE INDEX artifacts_blob ON artifacts (blob_key);

CREATE TABLE idempotency (
    user_id TEXT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    operation TEXT NOT NULL,
    key TEXT NOT NULL,
    fingerprint TEXT NOT NULL,
    replay_doc TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    PRIMARY KEY (user_id, operation, key)
) STRICT, WITHOUT ROWID;
CREATE INDEX idempotency_created ON idempotency (created_at);

CREATE TABLE tombstones (
    blob_key TEXT PRIMARY KEY,
    created_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
