-- A finding of a record is found by the record's time and number, in the order of the queue: it takes no index of its own. Of the pseudonym
-- of a rule's code the queue has the first six bytes.
DROP INDEX finding_record;
UPDATE finding SET code = substr(code, 1, 6);
