-- Cases. What a case has is in its records; here is what a list of cases shows, and what keeps two changes of one apart. `state` is 0 for
-- open, 1 for closed; `entries` counts its records.
CREATE TABLE review_case (
    n          INTEGER PRIMARY KEY,
    tenant     INTEGER NOT NULL REFERENCES tenant (id),
    name       TEXT NOT NULL,
    owner      TEXT NOT NULL,
    state      INTEGER NOT NULL,
    opened_at  INTEGER NOT NULL,
    changed_at INTEGER NOT NULL,
    entries    INTEGER NOT NULL,
    UNIQUE (tenant, name)
);
CREATE INDEX review_case_changed ON review_case (changed_at, n);

-- What was done to a case and has no record yet: `record` is the id that it will have. `event` is sealed under the custody key of the tenant.
CREATE TABLE case_event (
    record TEXT PRIMARY KEY,
    tenant INTEGER NOT NULL REFERENCES tenant (id),
    mac    BLOB NOT NULL,
    at     INTEGER NOT NULL,
    event  BLOB NOT NULL
);
