//! Why a statement was not issued, not presented, or refused.

use thiserror::Error;
use vouchlog_note::KeyId;

use crate::limits::{MAX_DEPTH, MAX_DISCLOSURES, MAX_GROUPS};

/// Why a statement was not issued, not presented, or refused.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum StatementError {
    /// Issuing: a member at the top of the record is named like a claim of the statement.
    #[error("the record has a member `{0}`, which names a claim of statements: leave it out or rename it")]
    Reserved(String),
    /// Issuing: the record has too many members at its top.
    #[error("the record has {0} members at its top, more than {MAX_GROUPS}: put them into groups")]
    TooManyGroups(usize),
    /// Issuing: the operating system gives no random bytes. The same call again may succeed.
    #[error("the operating system returned no random bytes for salts: {0}")]
    Random(String),
    /// Presenting: the record has nothing there.
    #[error("the record has no field `{0}`")]
    UnknownPath(String),
    /// Presenting: the record may have something there, but not as a disclosure of its own.
    #[error("`{path}` cannot be disclosed alone: it is part of `{whole}`, which is disclosed as a whole")]
    InsideWhole {
        /// The path asked for.
        path: String,
        /// The field it is in.
        whole: String,
    },
    /// Issuing and verifying: the key is not that of a stream.
    #[error("the key is not of type 0x04, as those of streams are")]
    KeyType,
    /// Presenting and verifying: it is too long.
    #[error("the statement has {bytes} bytes, the limit is {limit}")]
    TooLarge {
        /// Bytes it has.
        bytes: usize,
        /// Bytes it may have.
        limit: usize,
    },
    /// Issuing and verifying: a clear claim has a value it cannot have.
    #[error("the claim `{claim}` is rejected: {problem}")]
    Claim {
        /// Its name.
        claim: &'static str,
        /// What is wrong.
        problem: &'static str,
    },
    /// The text is not an SD-JWT.
    #[error("this is not an SD-JWT: {0}")]
    Form(&'static str),
    /// It ends with a key binding JWT, or without `~`.
    #[error("it does not end with `~`: statements are not bound to a holder's key")]
    KeyBinding,
    /// It has too many disclosures.
    #[error("it has {0} disclosures, more than {MAX_DISCLOSURES}")]
    TooManyDisclosures(usize),
    /// The JOSE header has other members than `alg`, `kid` and `typ`.
    #[error("its header is rejected: {0}")]
    Header(String),
    /// It is signed with another algorithm.
    #[error("its algorithm is `{0}`, not EdDSA")]
    Algorithm(String),
    /// It is something else than a statement.
    #[error("its type is `{0}`, not interaction+sd-jwt")]
    Type(String),
    /// Another key signed it.
    #[error("it names the key {stated}, not {expected}")]
    KeyId {
        /// The key it names.
        stated: String,
        /// The key it was verified with.
        expected: KeyId,
    },
    /// The signature does not verify.
    #[error("its signature does not verify")]
    Signature,
    /// The payload is not that of a statement.
    #[error("its payload is rejected: {0}")]
    Payload(String),
    /// The digests are of another algorithm.
    #[error("its digests use {0}, not \"sha-256\"")]
    HashAlgorithm(String),
    /// A disclosure cannot be read.
    #[error("disclosure {place} is rejected: {problem}")]
    Disclosure {
        /// Its place, counted from 0.
        place: usize,
        /// What is wrong.
        problem: &'static str,
    },
    /// A disclosure is there twice.
    #[error("disclosure {place} occurs twice")]
    RepeatedDisclosure {
        /// Its place, counted from 0.
        place: usize,
    },
    /// A digest is there twice.
    #[error("the digest {0} occurs twice")]
    RepeatedDigest(String),
    /// A disclosure belongs to no digest: it is not of this statement, or a group it stands in is not shown.
    #[error("{0} disclosures belong to no digest of the statement")]
    UnusedDisclosures(usize),
    /// Digests stand where, or as, they must not.
    #[error("a digest is out of place: {0}")]
    EmbeddedDigest(&'static str),
    /// A member has a name that SD-JWTs reserve.
    #[error("a member is named `{0}`, which is reserved")]
    ReservedName(String),
    /// A disclosure has the name of a member that is there already.
    #[error("there are two values for `{0}`")]
    Collision(String),
    /// It nests too deep.
    #[error("it nests more than {MAX_DEPTH} levels deep")]
    TooDeep,
}
