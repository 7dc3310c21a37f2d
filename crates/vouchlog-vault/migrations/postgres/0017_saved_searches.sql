-- Searches that callers saved. `mac` is the pseudonym of a search: of its owner and name. `owner` is that of the caller, `principal` that of
-- the principal which the caller is, or is a member of. `search` is sealed under the custody key of the tenant.
CREATE TABLE saved_search (
    mac       BYTEA PRIMARY KEY,
    tenant    BIGINT NOT NULL REFERENCES tenant (id),
    owner     BYTEA NOT NULL,
    principal BYTEA NOT NULL,
    saved_at  BIGINT NOT NULL,
    search    BYTEA NOT NULL
);
CREATE INDEX saved_search_owner ON saved_search (owner);
CREATE INDEX saved_search_principal ON saved_search (principal);
CREATE INDEX saved_search_tenant ON saved_search (tenant);

-- What saved searches name, by pseudonyms: people, devices, sessions, credentials. A search goes with the last record of one that it names.
CREATE TABLE saved_search_value (
    search BYTEA NOT NULL REFERENCES saved_search (mac) ON DELETE CASCADE,
    mac    BYTEA NOT NULL,
    PRIMARY KEY (search, mac)
);
CREATE INDEX saved_search_value_mac ON saved_search_value (mac);
