//! A subtree of a log's tree that witnesses signed: what the answer to a sign-subtree request amounts to.

use vouchlog_merkle::{Hash, Subtree};

use crate::checkpoint::Origin;
use crate::cosignature::{split_timestamped_signature, subtree_message};
use crate::key::{KeyMaterial, SignatureType, VerifyingKey};
use crate::ml_dsa_44::SIGNATURE_BYTES;
use crate::note::parse_signature_lines;
use crate::note_error::NoteError;
use crate::verified_signature::{Repeats, Verdict, VerifiedSignature, verify_lines};

// answer  = *( <signature line> LF )              one or more, of type 0x06
// payload = [ <timestamp[8], all zero> ] <ML-DSA-44 signature[2420]>

/// A subtree's hash that one or more cosigners signed as part of a log's tree (signature type 0x06).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SignedSubtree {
    origin: Origin,
    subtree: Subtree,
    hash: Hash,
    signatures: Vec<VerifiedSignature>,
}

impl SignedSubtree {
    /// Verifies the lines of a witness's answer, each ending in LF, that are by one of `keys`, and drops the
    /// others. Their signatures have no timestamp.
    ///
    /// # Errors
    /// [`NoteError::WrongKeyType`] for a key that is not of type 0x06, the only one to sign subtrees;
    /// [`NoteError::InvalidSignature`] if a line by one of `keys` does not verify, and
    /// [`NoteError::NoKnownSignature`] if no line is by any of them.
    pub fn open<'k>(
        answer: &str,
        origin: &Origin,
        subtree: Subtree,
        hash: &Hash,
        keys: impl IntoIterator<Item = &'k VerifyingKey>,
    ) -> Result<Self, NoteError> {
        let keys: Vec<&VerifyingKey> = keys.into_iter().collect();
        if let Some(key) = keys.iter().find(|key| key.signature_type() != SignatureType::MlDsa44) {
            return Err(NoteError::wrong_key_type(key, &[SignatureType::MlDsa44]));
        }
        let lines = parse_signature_lines(answer)?;
        let check = |key: &VerifyingKey, payload: &[u8]| {
            let message = subtree_message(key.name(), 0, origin, subtree, hash);
            check_subtree_signature(key, &message, payload)
        };
        let (signatures, _) = verify_lines(lines, keys, Repeats::Refuse, check)?;
        Ok(Self { origin: origin.clone(), subtree, hash: *hash, signatures })
    }

    /// The log's name.
    pub fn origin(&self) -> &Origin {
        &self.origin
    }

    /// The leaves.
    pub fn subtree(&self) -> Subtree {
        self.subtree
    }

    /// Their hash.
    pub fn hash(&self) -> &Hash {
        &self.hash
    }

    /// The signatures that were verified, in the order of the answer; one or more.
    pub fn signatures(&self) -> &[VerifiedSignature] {
        &self.signatures
    }
}

fn check_subtree_signature(key: &VerifyingKey, message: &[u8], payload: &[u8]) -> Verdict {
    let KeyMaterial::MlDsa44(key) = key.material() else { return Verdict::Invalid };
    // SPEC: a subtree's timestamp is 0, and signed as such. Newer witnesses leave its eight bytes out of the line.
    let signature = match payload.len() {
        SIGNATURE_BYTES => payload,
        _ => match split_timestamped_signature(payload) {
            Some((0, signature)) => signature,
            _ => return Verdict::Invalid,
        },
    };
    if key.verifies(message, signature) { Verdict::Valid { timestamp: None } } else { Verdict::Invalid }
}
