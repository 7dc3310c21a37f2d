//! Cosigns a log's tree heads if, and only if, each extends the last one seen (C2SP tlog-witness).
