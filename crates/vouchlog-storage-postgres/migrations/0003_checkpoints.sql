-- The newest checkpoints that the leader has shown: written with its renewals, read by standbys, which serve them.
ALTER TABLE vouchlog_lease ADD COLUMN signed text;
ALTER TABLE vouchlog_lease ADD COLUMN published text;
