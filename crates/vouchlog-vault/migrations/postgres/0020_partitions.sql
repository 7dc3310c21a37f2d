-- What is long of a record lies in partitions by the month of keeping. A record's number has the month in its upper bits from here on: the
-- months since 1970-01, times 2^40. So a partition is a range of numbers, keys and references stay as they are, and the vault makes
-- partitions ahead of time (partitions.rs). Records of before are in the partitions `…_before`; `…_other` stays empty.
ALTER TABLE statement RENAME TO statement_before;
ALTER TABLE statement_before RENAME CONSTRAINT statement_record_fkey TO statement_before_record_fkey;
ALTER INDEX statement_pkey RENAME TO statement_before_pkey;
CREATE TABLE statement (
    LIKE statement_before INCLUDING DEFAULTS,
    PRIMARY KEY (record),
    FOREIGN KEY (record) REFERENCES record (n)
) PARTITION BY RANGE (record);

ALTER TABLE sealed RENAME TO sealed_before;
ALTER TABLE sealed_before RENAME CONSTRAINT sealed_record_fkey TO sealed_before_record_fkey;
ALTER INDEX sealed_pkey RENAME TO sealed_before_pkey;
ALTER INDEX sealed_object RENAME TO sealed_before_object;
CREATE TABLE sealed (
    LIKE sealed_before INCLUDING DEFAULTS,
    PRIMARY KEY (record),
    FOREIGN KEY (record) REFERENCES record (n)
) PARTITION BY RANGE (record);
CREATE INDEX sealed_object ON sealed (object) WHERE object IS NOT NULL;

-- The order of pieces came from an identity, which a partition cannot have.
CREATE SEQUENCE content_piece_order;
SELECT setval('content_piece_order', coalesce((SELECT max(n) FROM content_piece), 0) + 1, false);
ALTER TABLE content_piece ALTER COLUMN n DROP IDENTITY;
ALTER TABLE content_piece ALTER COLUMN n SET DEFAULT nextval('content_piece_order');
ALTER TABLE content_piece RENAME TO content_piece_before;
ALTER TABLE content_piece_before RENAME CONSTRAINT content_piece_record_fkey TO content_piece_before_record_fkey;
ALTER INDEX content_piece_pkey RENAME TO content_piece_before_pkey;
ALTER INDEX content_piece_record RENAME TO content_piece_before_record;
CREATE TABLE content_piece (
    LIKE content_piece_before INCLUDING DEFAULTS,
    FOREIGN KEY (record) REFERENCES record (n)
) PARTITION BY RANGE (record);
CREATE INDEX content_piece_record ON content_piece (record);

DO $$
DECLARE
    today date := (now() AT TIME ZONE 'UTC')::date;
    first bigint := ((extract(year FROM today)::bigint - 1970) * 12 + extract(month FROM today)::bigint - 1) << 40;
    name text;
BEGIN
    FOREACH name IN ARRAY ARRAY['statement', 'sealed', 'content_piece'] LOOP
        EXECUTE format('ALTER TABLE %I ATTACH PARTITION %I FOR VALUES FROM (MINVALUE) TO (%s)', name, name || '_before', first);
        EXECUTE format('CREATE TABLE %I PARTITION OF %I DEFAULT', name || '_other', name);
    END LOOP;
END
$$;
