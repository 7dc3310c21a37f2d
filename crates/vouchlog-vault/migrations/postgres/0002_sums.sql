-- The same columns as on SQLite. `commits` is not counted: PostgreSQL keeps its own log.
ALTER TABLE vault ADD COLUMN commits BIGINT NOT NULL DEFAULT 0;
ALTER TABLE vault ADD COLUMN summed BIGINT NOT NULL DEFAULT 0;
ALTER TABLE record ADD COLUMN sum BYTEA;
ALTER TABLE record ADD COLUMN place_sum BYTEA;
ALTER TABLE statement ADD COLUMN sum BYTEA;
ALTER TABLE proof ADD COLUMN sum BYTEA;
