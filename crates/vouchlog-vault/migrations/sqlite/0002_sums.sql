-- Damage that SQLite does not notice. `commits` counts transactions, and the file vault.db.mark knows how many were acknowledged.
-- The sums cover what is stored beside them; `summed` is 1 once every row has its own.
ALTER TABLE vault ADD COLUMN commits INTEGER NOT NULL DEFAULT 0;
ALTER TABLE vault ADD COLUMN summed INTEGER NOT NULL DEFAULT 0;
ALTER TABLE record ADD COLUMN sum BLOB;
ALTER TABLE record ADD COLUMN place_sum BLOB;
ALTER TABLE statement ADD COLUMN sum BLOB;
ALTER TABLE proof ADD COLUMN sum BLOB;
