-- Whose session it is, for the list of sessions; when and by which client a refresh token was used, so that the same client
-- may repeat the exchange for a moment.
ALTER TABLE sessions ADD COLUMN refreshed_at INTEGER;
ALTER TABLE sessions ADD COLUMN network TEXT;
ALTER TABLE sessions ADD COLUMN agent TEXT;
ALTER TABLE refresh_tokens ADD COLUMN used_at INTEGER;
ALTER TABLE refresh_tokens ADD COLUMN used_by TEXT;

-- Tokens that reset a password once: one for each user at most.
CREATE TABLE password_resets (
    user_id TEXT NOT NULL PRIMARY KEY REFERENCES users (id) ON DELETE CASCADE,
    sha256 TEXT NOT NULL UNIQUE,
    expires_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- Keys of service accounts.
CREATE TABLE api_keys (
    row INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    user_id TEXT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    sha256 TEXT NOT NULL UNIQUE,
    name TEXT NOT NULL,
    prefix TEXT NOT NULL,
    scopes_doc TEXT,
    created_at INTEGER NOT NULL,
    expires_at INTEGER,
    revoked_at INTEGER,
    last_used_at INTEGER,
    -- When it may be deleted; NULL: while it is live.
    forget_at INTEGER
) STRICT;
CREATE INDEX api_keys_user ON api_keys (user_id, id);
CREATE INDEX api_keys_forget ON api_keys (forget_at) WHERE forget_at IS NOT NULL;
