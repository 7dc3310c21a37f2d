-- Which sessions were added to cases: `mac` is the pseudonym of a session, `n` the case.
CREATE TABLE case_session (
    mac BYTEA NOT NULL,
    n   BIGINT NOT NULL REFERENCES review_case (n),
    PRIMARY KEY (mac, n)
);
