-- The tenant of who placed or lifted the hold; empty for those of all tenants. A recorder of one tenant puts only its own on record.
ALTER TABLE hold_event ADD COLUMN tenant TEXT NOT NULL DEFAULT '';
