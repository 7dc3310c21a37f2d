//! What a timeline proves and what it cannot, printed at the end of every report of one.

/// What the proofs show, if they verify.
pub const PROVEN: [&str; 4] = [
    "No logged record was altered or removed afterwards: its fingerprint is in a tree whose head the log signed.",
    "The order in which a gateway logged its records and, if the whole stream is checked, that none is missing inside it.",
    "For records marked as witnessed: the log showed no reader a different history, unless a quorum of witnesses colluded.",
    "A sealed session has the number of records that its seal states.",
];

/// What no proof of this kind can show.
pub const NOT_PROVEN: [&str; 4] = [
    "That the gateway recorded the truth. It signed its records, so a false one is evidence against it, but this report cannot detect it.",
    "That no traffic bypassed the gateway. Compare with the provider's usage report and the tool owners' logs.",
    "What was withheld or erased. It proves only that it existed and was not replaced.",
    "That the verdicts still hold after later events, such as a revocation that became known after this report was made.",
];

/// How to check a report against the log.
pub const CHECK: &str = "vouchlog verify FILE --log-vkey VKEY";
