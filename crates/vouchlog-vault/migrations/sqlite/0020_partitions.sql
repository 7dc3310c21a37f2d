-- No table changes: PostgreSQL has partitions by month from here on.
UPDATE vault SET one = 1 WHERE one = 1;
