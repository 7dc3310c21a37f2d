-- The entries that a log with its sealed part here has given up: minimum index, the entry that announces it, the bundles that stay. Null while
-- all are there. It is written before a row is deleted, and it alone decides what is served.
ALTER TABLE vouchlog_log ADD COLUMN pruned text;
