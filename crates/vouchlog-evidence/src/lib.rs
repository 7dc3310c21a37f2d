//! What a record of an AI interaction holds, its SD-JWT statement, disclosure, and completeness verdicts.
