-- Holds and retention classes are in `vault.principals` from here on, sealed with the principals. The tables `hold_query` and
-- `retention_class` are of an earlier version: their rows move there once, and nothing reads them afterwards. `keep_mac` shows whether
-- `keep_until` is what was written.
ALTER TABLE record ADD COLUMN keep_mac BYTEA;
CREATE INDEX record_no_keep_mac ON record (n) WHERE keep_mac IS NULL;
