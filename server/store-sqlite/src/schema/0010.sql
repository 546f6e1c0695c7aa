-- Administrators and operators belong to no company. Their folders stay where they are.
ALTER TABLE users ADD COLUMN company TEXT REFERENCES companies (id);
UPDATE users SET company = company_id WHERE role NOT IN ('ADMIN', 'OPERATOR');
ALTER TABLE users DROP COLUMN company_id;
ALTER TABLE users RENAME COLUMN company TO company_id;
CREATE INDEX users_company ON users (company_id, id);

-- Types of analyses that the user may start, as a JSON array; NULL: every type.
ALTER TABLE users ADD COLUMN may_start TEXT;
ALTER TABLE users ADD COLUMN disabled_at INTEGER;
-- A deleted user keeps its row, without e-mail, name and password, because its folders refer to it.
ALTER TABLE users ADD COLUMN deleted_at INTEGER;

ALTER TABLE companies ADD COLUMN suspended_at INTEGER;
ALTER TABLE companies ADD COLUMN deleting_at INTEGER;
