//! Verifies a whole log, names and locates what is wrong, and keeps the evidence.
