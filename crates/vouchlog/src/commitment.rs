//! Committing to a record: the log gets a salted digest, the salt stays with the record.

use vouchlog_stream::Opening;

use crate::clock::random_bytes;

/// Commits to a record with a fresh salt. Log the [`digest`](Opening::digest), and keep the opening beside the record.
pub fn commit_to(record: &[u8]) -> Opening {
    Opening::with_salt(random_bytes(), record)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_salt_is_fresh() {
        let opening = commit_to(b"a record");
        assert_eq!(opening.check(b"a record"), Ok(()));
        assert_ne!(commit_to(b"a record").digest(), opening.digest());
    }
}
