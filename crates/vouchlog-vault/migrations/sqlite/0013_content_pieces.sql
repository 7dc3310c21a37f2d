-- Sealed content in pieces, in the order of `n`. In `sealed` the column is empty then. An erasure deletes them.
CREATE TABLE content_piece (
    n      INTEGER PRIMARY KEY,
    record INTEGER NOT NULL REFERENCES record (n),
    bytes  BLOB NOT NULL
);
CREATE INDEX content_piece_record ON content_piece (record);
