-- 1: every record is found by any form of a name. Records of an earlier version are read once for that.
ALTER TABLE vault ADD COLUMN people INTEGER NOT NULL DEFAULT 0;
