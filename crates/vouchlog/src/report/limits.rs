//! What a timeline proves and what it cannot: printed at the end of every report.

/// What the proofs show, if they verify.
pub(super) const PROVEN: [&str; 4] = [
    "No record that the log took was altered or removed since: its fingerprint is in a tree whose head the log signed.",
    "The order in which a gateway logged its records, and that none is missing inside its stream, if the whole stream is checked.",
    "For records marked as witnessed: nobody was shown another history, unless a quorum of witnesses took part in it.",
    "A session that was sealed with a number of records has that number of records.",
];

/// What no proof of this kind can show.
pub(super) const NOT_PROVEN: [&str; 4] = [
    "That the gateway told the truth. It signed what it recorded, so a lie can be held against it, but not be seen here.",
    "That nothing went past the gateway. Compare with the provider's usage report, or with what the tools' owners logged.",
    "What was withheld or erased. Only that it was there, and that it has not been replaced.",
    "That the verdicts hold for what became known later, such as a revocation after this was put together.",
];

/// How to check a report against the log.
pub(super) const CHECK: &str = "vouchlog verify --bundle FILE --log-vkey VKEY";
