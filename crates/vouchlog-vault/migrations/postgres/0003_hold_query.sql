-- What a hold was placed for, so that records kept later come under it, too. `macs` are the pseudonyms of its facets, one after the
-- other: a record must have all of them. Each row is of one tenant, as pseudonyms are.
CREATE TABLE hold_query (
    hold    TEXT NOT NULL REFERENCES hold (name),
    tenant  BIGINT NOT NULL REFERENCES tenant (id),
    macs    BYTEA NOT NULL,
    kinds   BYTEA NOT NULL,
    from_ms BIGINT NOT NULL,
    to_ms   BIGINT NOT NULL,
    PRIMARY KEY (hold, tenant, macs, kinds, from_ms, to_ms)
);
