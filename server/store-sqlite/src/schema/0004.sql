-- Counts of logins, for names with and without a user: keyed hashes of the name and of the origin. The row without an origin is of the name as a
-- whole. The columns users.failed_logins and users.locked_until, which counted before, are not used any more.
CREATE TABLE login_attempts (
    name_key TEXT NOT NULL,
    origin_key TEXT NOT NULL,
    failures INTEGER NOT NULL,
    failed_at INTEGER,
    locked_until INTEGER,
    succeeded_at INTEGER,
    forget_at INTEGER NOT NULL,
    PRIMARY KEY (name_key, origin_key)
) STRICT, WITHOUT ROWID;
CREATE INDEX login_attempts_by_end ON login_attempts (forget_at);
