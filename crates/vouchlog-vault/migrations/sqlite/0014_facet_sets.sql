-- Sets of pseudonyms that records are found by together: `mac` is the pseudonym of a set, which its records have in `facet`, and
-- `member` one of those in it. What is in them names no person.
CREATE TABLE facet_set (
    member BLOB NOT NULL,
    mac    BLOB NOT NULL,
    PRIMARY KEY (member, mac)
) WITHOUT ROWID;
CREATE INDEX facet_set_mac ON facet_set (mac);
