-- Statements without their base64: `jwt` is empty where `packed` has it. Metadata is compressed with a dictionary from here on, too, so
-- programs of an earlier version refuse the vault by this step.
ALTER TABLE statement ADD COLUMN packed BYTEA;
