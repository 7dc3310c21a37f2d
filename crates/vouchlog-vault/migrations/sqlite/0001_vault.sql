-- The vault on SQLite. migrations/postgres has the same tables with the types of PostgreSQL. Times are milliseconds since
-- 1970-01-01 UTC.

-- One row. `key_check` opens under the right key encryption key only.
CREATE TABLE vault (
    one       INTEGER PRIMARY KEY CHECK (one = 1),
    id        BLOB NOT NULL,
    key_check BLOB NOT NULL
);

-- Both keys are wrapped by the key encryption key.
CREATE TABLE tenant (
    id          INTEGER PRIMARY KEY,
    name        TEXT NOT NULL UNIQUE,
    custody_key BLOB NOT NULL,
    facet_key   BLOB NOT NULL
);

-- A person, by pseudonym (each tenant's are keyed by a key of its own). The row goes with the last record that needs it.
CREATE TABLE subject (
    id     INTEGER PRIMARY KEY,
    tenant INTEGER NOT NULL REFERENCES tenant (id),
    mac    BLOB NOT NULL UNIQUE,
    key    BLOB NOT NULL
);

-- `record` is the id of the record that says that it was erased; the scope never names the person.
CREATE TABLE erasure (
    n           INTEGER PRIMARY KEY,
    record      TEXT NOT NULL UNIQUE,
    scope       TEXT NOT NULL,
    basis       TEXT NOT NULL,
    begun_at    INTEGER NOT NULL,
    finished_at INTEGER
);
CREATE INDEX erasure_pending ON erasure (n) WHERE finished_at IS NULL;

-- What stays when a record is erased, its tombstone. `n` is the order of keeping.
CREATE TABLE record (
    n               INTEGER PRIMARY KEY,
    id              TEXT NOT NULL UNIQUE,
    kind            INTEGER NOT NULL,
    tenant          INTEGER NOT NULL REFERENCES tenant (id),
    stream          INTEGER NOT NULL,
    evidence        INTEGER NOT NULL,
    digest          BLOB NOT NULL UNIQUE,
    started_at      INTEGER NOT NULL,
    kept_at         INTEGER NOT NULL,
    retention_class TEXT NOT NULL,
    keep_until      INTEGER,
    amends          TEXT,
    leaf_index      INTEGER,
    logged_stream   INTEGER,
    sequence        INTEGER,
    logged_at       INTEGER,
    erasure         INTEGER REFERENCES erasure (n)
);
CREATE INDEX record_started ON record (started_at, n);
CREATE INDEX record_kind ON record (kind, started_at, n);
CREATE INDEX record_unlogged ON record (n) WHERE leaf_index IS NULL;
CREATE INDEX record_due ON record (keep_until, n) WHERE keep_until IS NOT NULL AND erasure IS NULL;
CREATE INDEX record_erasure ON record (erasure) WHERE erasure IS NOT NULL;

CREATE TABLE statement (
    record INTEGER PRIMARY KEY REFERENCES record (n),
    jwt    TEXT NOT NULL
);

CREATE TABLE proof (
    record INTEGER PRIMARY KEY REFERENCES record (n),
    proof  TEXT NOT NULL
);

-- What an erasure deletes.
CREATE TABLE sealed (
    record   INTEGER PRIMARY KEY REFERENCES record (n),
    key      BLOB NOT NULL,
    metadata BLOB NOT NULL,
    content  BLOB NOT NULL
);

-- The primary key answers a search in the order of its answer.
CREATE TABLE facet (
    mac        BLOB NOT NULL,
    started_at INTEGER NOT NULL,
    record     INTEGER NOT NULL REFERENCES record (n),
    personal   INTEGER NOT NULL,
    PRIMARY KEY (mac, started_at, record)
) WITHOUT ROWID;
CREATE INDEX facet_record ON facet (record);

CREATE TABLE record_subject (
    record  INTEGER NOT NULL REFERENCES record (n),
    subject INTEGER NOT NULL REFERENCES subject (id),
    PRIMARY KEY (record, subject)
) WITHOUT ROWID;
CREATE INDEX record_subject_subject ON record_subject (subject, record);

CREATE TABLE stream (
    stream    INTEGER PRIMARY KEY,
    gateway   TEXT NOT NULL,
    opening   TEXT NOT NULL,
    enrolment TEXT,
    genesis   TEXT
);

CREATE TABLE retention_class (
    name     TEXT PRIMARY KEY,
    keep_for INTEGER NOT NULL
);

CREATE TABLE hold (
    name      TEXT PRIMARY KEY,
    placed_at INTEGER NOT NULL,
    placed_by TEXT NOT NULL
);

CREATE TABLE held (
    record INTEGER NOT NULL REFERENCES record (n),
    hold   TEXT NOT NULL REFERENCES hold (name),
    PRIMARY KEY (record, hold)
) WITHOUT ROWID;
CREATE INDEX held_hold ON held (hold);

CREATE TABLE principal (
    name       TEXT PRIMARY KEY,
    roles      INTEGER NOT NULL,
    salt       BLOB NOT NULL,
    token_hash BLOB NOT NULL,
    granted_at INTEGER NOT NULL
);
