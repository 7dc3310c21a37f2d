//! The collector's secret: names of records and commitments are made with it, so that they give nothing away.

use aws_lc_rs::hmac;
use vouchlog_record::{Commitment, RecordId};

use crate::assemble::Naming;

/// A secret of 32 bytes, kept across restarts: with another one the same span would become another record.
#[derive(Clone)]
pub(crate) struct Secret {
    names: hmac::Key,
    bodies: hmac::Key,
    check: [u8; 8],
}

impl Secret {
    pub(crate) fn new(secret: &[u8; 32]) -> Self {
        // One key for each purpose: a commitment must never be a name.
        let key = |purpose: &[u8]| {
            let whole = hmac::Key::new(hmac::HMAC_SHA256, secret);
            hmac::Key::new(hmac::HMAC_SHA256, hmac::sign(&whole, purpose).as_ref())
        };
        let check = hmac::sign(&key(b"check"), b"");
        Self {
            names: key(b"names of records"),
            bodies: key(b"commitments to bodies"),
            check: *check.as_ref().first_chunk().expect("SHA-256 has 32 bytes"),
        }
    }

    /// A name of 16 bytes, the same for the same key.
    pub(crate) fn name(&self, key: &[u8]) -> [u8; 16] {
        let mut name = [0; 16];
        name.copy_from_slice(&hmac::sign(&self.names, key).as_ref()[..16]);
        name
    }

    /// The name of the record that is made of a key.
    pub(crate) fn record_id(&self, key: &str) -> RecordId {
        RecordId::from_random(self.name(key.as_bytes()))
    }

    /// Recognises the secret; from it neither the secret nor a name can be computed.
    pub(crate) fn check(&self) -> [u8; 8] {
        self.check
    }

    pub(crate) fn naming(&self) -> Naming {
        let secret = self.clone();
        Box::new(move |key| secret.name(key))
    }

    /// Commits to a body.
    pub(crate) fn commitment(&self, body: &[u8]) -> Commitment {
        let tag = hex::encode(hmac::sign(&self.bodies, body));
        format!("hmac-sha256:{tag}").parse().expect("it is one")
    }
}
