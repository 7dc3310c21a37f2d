//! Verdicts, validity, claims, re-judgement.
