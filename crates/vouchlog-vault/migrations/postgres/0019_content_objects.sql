-- Sealed content in an object store: `object` is the number of the object, of `object_bytes` bytes, which a record's row has in the place of
-- content. `objects` is the identity of the vault's store, `objects_url` where it was last.
ALTER TABLE vault ADD COLUMN objects BYTEA;
ALTER TABLE vault ADD COLUMN objects_url TEXT;
ALTER TABLE sealed ADD COLUMN object BYTEA;
ALTER TABLE sealed ADD COLUMN object_bytes BIGINT;
CREATE INDEX sealed_object ON sealed (object) WHERE object IS NOT NULL;

-- Folders of objects, each written by one process. A record names an object only while its folder is open, so what a closed one has and no
-- record names is removed. The row goes when the folder was searched for them.
CREATE TABLE object_folder (
    folder    BYTEA PRIMARY KEY,
    opened_at BIGINT NOT NULL,
    closed_at BIGINT
);

-- Objects that nothing names any more and that are not removed yet. `erasure` is that of their records, if there was one.
CREATE TABLE object_removal (
    object  BYTEA PRIMARY KEY,
    erasure BIGINT REFERENCES erasure (n),
    since   BIGINT NOT NULL,
    tries   BIGINT NOT NULL DEFAULT 0
);
CREATE INDEX object_removal_next ON object_removal (tries, since);
CREATE INDEX object_removal_erasure ON object_removal (erasure) WHERE erasure IS NOT NULL;
