-- Whether a log is served from here: empty, or the mark of a move to or from here. It is in the fence's own row, so that a claim and a
-- mark cannot miss each other.
ALTER TABLE vouchlog_head ADD COLUMN move text NOT NULL DEFAULT '';
