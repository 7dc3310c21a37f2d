-- Logs and witnesses of one database. All names begin with vouchlog_, so that a vault or other tables may share the database.

CREATE TABLE vouchlog_log (
    log integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    origin text NOT NULL UNIQUE,
    format integer NOT NULL,
    -- Where the sealed part lies: a log opened with another one would miss it.
    sealed_in text NOT NULL,
    created timestamptz NOT NULL DEFAULT clock_timestamp(),
    -- Of the cluster that the log was made in; empty if it could not be read.
    system_identifier text NOT NULL
);

-- Who may lead a log. renewed is null once the leader has resigned.
CREATE TABLE vouchlog_lease (
    log integer PRIMARY KEY REFERENCES vouchlog_log,
    epoch bigint NOT NULL,
    holder bytea CHECK (octet_length(holder) = 16),
    address text NOT NULL DEFAULT '',
    -- The backend of the leader's commit connection: it is terminated if it keeps the head locked.
    commit_pid integer,
    taken timestamptz,
    renewed timestamptz,
    ttl_ms integer NOT NULL DEFAULT 0,
    -- Set to ask the leader to hand over.
    resign boolean NOT NULL DEFAULT false
) WITH (fillfactor = 50);

-- The fence: a commit succeeds only at this epoch, from this size and root. Size and root are null before the first commit.
CREATE TABLE vouchlog_head (
    log integer PRIMARY KEY REFERENCES vouchlog_log,
    epoch bigint NOT NULL,
    commits bigint NOT NULL,
    size bigint CHECK (size >= 0),
    root bytea CHECK (octet_length(root) = 32),
    sealed bigint NOT NULL CHECK (sealed >= 0 AND sealed % 256 = 0),
    CHECK ((size IS NULL) = (root IS NULL))
) WITH (fillfactor = 50);

-- Entries that are not sealed, framed, at most 256 KiB a row unless one entry alone is longer.
CREATE TABLE vouchlog_tail (
    log integer NOT NULL REFERENCES vouchlog_log,
    first bigint NOT NULL,
    count integer NOT NULL CHECK (count > 0),
    entries bytea NOT NULL,
    PRIMARY KEY (log, first)
);
ALTER TABLE vouchlog_tail ALTER COLUMN entries SET STORAGE EXTERNAL;

CREATE TABLE vouchlog_state (
    log integer NOT NULL REFERENCES vouchlog_log,
    key bytea NOT NULL,
    value bytea NOT NULL,
    PRIMARY KEY (log, key)
) WITH (fillfactor = 50);

-- The sealed part of small logs: full tiles by level and index; level -1 are full entry bundles.
CREATE TABLE vouchlog_sealed (
    log integer NOT NULL REFERENCES vouchlog_log,
    level smallint NOT NULL,
    index bigint NOT NULL,
    bytes bytea NOT NULL,
    PRIMARY KEY (log, level, index)
);
ALTER TABLE vouchlog_sealed ALTER COLUMN bytes SET STORAGE EXTERNAL;

CREATE TABLE vouchlog_witness (
    witness integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name text NOT NULL UNIQUE,
    identity bytea NOT NULL CHECK (octet_length(identity) = 16),
    created timestamptz NOT NULL DEFAULT clock_timestamp()
);

CREATE TABLE vouchlog_witness_state (
    witness integer NOT NULL REFERENCES vouchlog_witness,
    origin bytea NOT NULL CHECK (octet_length(origin) = 32),
    revision bigint NOT NULL CHECK (revision > 0),
    state bytea NOT NULL,
    PRIMARY KEY (witness, origin)
) WITH (fillfactor = 50);
