-- What a hold was placed for, so that records kept later come under it, too. `macs` are the pseudonyms of its facets, one after the
-- other: a record must have all of them. Each row is of one tenant, as pseudonyms are.
CREATE TABLE hold_query (
    hold    TEXT NOT NULL REFERENCES hold (name),
    tenant  INTEGER NOT NULL REFERENCES tenant (id),
    macs    BLOB NOT NULL,
    kinds   BLOB NOT NULL,
    from_ms INTEGER NOT NULL,
    to_ms   INTEGER NOT NULL,
    PRIMARY KEY (hold, tenant, macs, kinds, from_ms, to_ms)
) WITHOUT ROWID;
