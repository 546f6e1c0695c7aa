-- The column has always held when the run's turn begins: it is named after that now. The index on it follows.
ALTER TABLE runs RENAME COLUMN created_at TO turn_at;
