-- Which sessions were added to cases: `mac` is the pseudonym of a session, `n` the case.
CREATE TABLE case_session (
    mac BLOB NOT NULL,
    n   INTEGER NOT NULL REFERENCES review_case (n),
    PRIMARY KEY (mac, n)
);
