-- What lists are made from, so that none opens a record: sessions, the values that they have, and the queue of findings. All of it is
-- made from records that are kept, and made again for records of an earlier version.

-- A session. `mac` is the pseudonym that its records have as a facet.
CREATE TABLE session (
    n        INTEGER PRIMARY KEY,
    mac      BLOB NOT NULL UNIQUE,
    tenant   INTEGER NOT NULL REFERENCES tenant (id),
    first_at INTEGER NOT NULL,
    last_at  INTEGER NOT NULL,
    records  INTEGER NOT NULL
);
CREATE INDEX session_last ON session (tenant, last_at, n);

ALTER TABLE record ADD COLUMN session INTEGER REFERENCES session (n);
CREATE INDEX record_session ON record (session) WHERE session IS NOT NULL;

-- What the records of a session have, each pseudonym once. `shown` is 1 for what a list of sessions shows.
CREATE TABLE session_facet (
    mac      BLOB NOT NULL,
    session  INTEGER NOT NULL REFERENCES session (n),
    shown    INTEGER NOT NULL,
    personal INTEGER NOT NULL,
    PRIMARY KEY (mac, session)
) WITHOUT ROWID;
CREATE INDEX session_facet_session ON session_facet (session, shown);

-- What a pseudonym stands for, sealed under the custody key of the tenant; a person's under the key of the person, too. `kind` is the
-- pseudonym of the facet's name. The row goes with the last record that has the value and is not erased.
CREATE TABLE facet_value (
    n       INTEGER PRIMARY KEY,
    mac     BLOB NOT NULL UNIQUE,
    tenant  INTEGER NOT NULL REFERENCES tenant (id),
    kind    BLOB NOT NULL,
    subject INTEGER REFERENCES subject (id),
    value   BLOB NOT NULL
);
CREATE INDEX facet_value_kind ON facet_value (kind, n);
CREATE INDEX facet_value_subject ON facet_value (subject) WHERE subject IS NOT NULL;

-- What rules found in records when these were kept. `code` is the pseudonym of the rule's code; `state` is 0 for open, 1 for explained,
-- 2 for accepted; `decision` is the id of the record that decided it.
CREATE TABLE finding (
    code       BLOB NOT NULL,
    state      INTEGER NOT NULL,
    started_at INTEGER NOT NULL,
    record     INTEGER NOT NULL REFERENCES record (n),
    tenant     INTEGER NOT NULL REFERENCES tenant (id),
    decision   TEXT,
    PRIMARY KEY (code, state, started_at, record)
) WITHOUT ROWID;
CREATE INDEX finding_queue ON finding (tenant, state, started_at, record, code);
CREATE INDEX finding_record ON finding (record, code);

-- Decisions about findings whose record is not made yet: `record` is the id that it will have. `records` are the ids that it is about,
-- separated by spaces.
CREATE TABLE decision_event (
    record  TEXT PRIMARY KEY,
    code    TEXT NOT NULL,
    state   INTEGER NOT NULL,
    by_whom TEXT NOT NULL,
    reason  TEXT NOT NULL,
    until   INTEGER,
    records TEXT NOT NULL,
    at      INTEGER NOT NULL,
    tenant  TEXT NOT NULL
);
