-- No table changes: what is sealed as metadata does. From here on it is a record without its content and how it was concealed, no more
-- its disclosures. Programs of an earlier version, which cannot read that, refuse the vault by this step.
UPDATE vault SET one = 1 WHERE one = 1;
