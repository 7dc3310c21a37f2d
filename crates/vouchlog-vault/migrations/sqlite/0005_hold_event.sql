-- Holds that were placed or lifted, and whose record is not made yet: `record` is the id that it will have.
CREATE TABLE hold_event (
    record       TEXT PRIMARY KEY,
    hold         TEXT NOT NULL,
    lifted       INTEGER NOT NULL,
    covers_later INTEGER NOT NULL,
    by_whom      TEXT NOT NULL,
    reason       TEXT NOT NULL,
    records      INTEGER NOT NULL,
    at           INTEGER NOT NULL
);
