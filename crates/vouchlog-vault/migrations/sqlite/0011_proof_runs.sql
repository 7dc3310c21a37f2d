-- The proofs of entries that follow each other in the log, as one: `first` is the index of the first. A record whose proof is in a run has
-- none in `proof`.
CREATE TABLE proof_run (
    n      INTEGER PRIMARY KEY,
    first  INTEGER NOT NULL,
    packed BLOB NOT NULL,
    sum    BLOB NOT NULL
);

ALTER TABLE record ADD COLUMN proof_run INTEGER REFERENCES proof_run (n);
CREATE INDEX record_proof_run ON record (proof_run) WHERE proof_run IS NOT NULL;
