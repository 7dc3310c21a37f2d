//! C2SP signed notes, checkpoints, cosignatures, witness policies, lists of logs and proof files.
//!
//! **In scope**: reading, writing, signing and checking the text formats of
//! [signed-note](https://c2sp.org/signed-note), [tlog-checkpoint](https://c2sp.org/tlog-checkpoint),
//! [tlog-cosignature](https://c2sp.org/tlog-cosignature) (Ed25519, type 0x04, and ML-DSA-44, type 0x06),
//! [tlog-policy](https://c2sp.org/tlog-policy), [tlog-proof](https://c2sp.org/tlog-proof), the requests of
//! [tlog-witness](https://c2sp.org/tlog-witness), and the `logs/v0` lists of witness-network.org. **Out of scope**:
//! hashing and proofs (`vouchlog-merkle`), transport, clocks and randomness (the caller passes timestamps and seeds
//! in).
//!
//! The one promise: a value of a verified type ([`VerifiedNote`], [`SignedCheckpoint`], [`CosignedCheckpoint`],
//! [`PolicyCheckpoint`], [`SignedSubtree`]) was verified, or signed here; there is no other way to make one.
//!
//! ```
//! use vouchlog_merkle::TreeHead;
//! use vouchlog_note::{Checkpoint, KeyName, Origin, SignatureType, SignedCheckpoint, SigningKey};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let origin = Origin::new("log.example.com/demo")?;
//! let key = SigningKey::generate(KeyName::new(origin.as_str())?, SignatureType::Ed25519, [7; 32])?;
//! let signed = SignedCheckpoint::sign(&Checkpoint::new(origin.clone(), TreeHead::EMPTY), &key)?;
//!
//! let opened = SignedCheckpoint::open(signed.note().as_bytes(), &origin, key.verifying_key())?;
//! assert_eq!(opened.head(), TreeHead::EMPTY);
//! # Ok(())
//! # }
//! ```

mod text;

pub mod limits;

mod add_checkpoint;
mod checkpoint;
mod cosignature;
mod jws;
mod key;
mod log_list;
mod ml_dsa_44;
mod note;
mod note_error;
mod policy;
mod policy_error;
mod policy_rotation;
mod policy_text;
mod proof_file;
mod sign_subtree;
mod signature_line;
mod signed_checkpoint;
mod signed_subtree;
mod signer;
mod signing;
mod verified_signature;
mod witness_request;

pub use add_checkpoint::{AddCheckpoint, AddCheckpointError};
pub use checkpoint::{Checkpoint, CheckpointError, Origin};
pub use cosignature::{cosigned_message, timestamped_signature};
pub use key::{KeyError, KeyId, KeyName, SignatureType, VerifyingKey};
pub use log_list::{ListedLog, LogList, LogListError, LogListLineError};
pub use note::{UnverifiedNote, VerifiedNote};
pub use note_error::NoteError;
pub use policy::{Policy, PolicyCheckpoint, PolicyCosignature, PolicyLog, PolicyName, PolicyWitness};
pub use policy_error::{PolicyError, PolicyLineError};
pub use policy_rotation::{OldKey, PolicyRotationError};
pub use proof_file::{ProofFile, ProofFileError};
pub use sign_subtree::{SignSubtree, SignSubtreeError};
pub use signature_line::{LineError, SignatureLine};
pub use signed_checkpoint::{CosignedCheckpoint, SignedCheckpoint};
pub use signed_subtree::SignedSubtree;
pub use signer::{Signer, SignerError};
pub use signing::SigningKey;
pub use verified_signature::VerifiedSignature;
pub use witness_request::WitnessRequestError;
