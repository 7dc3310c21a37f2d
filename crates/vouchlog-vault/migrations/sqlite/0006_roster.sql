-- The principals, sealed under the key encryption key. The table `principal` is of an earlier version: its rows move here once, and
-- nothing reads it afterwards.
ALTER TABLE vault ADD COLUMN principals BLOB;
