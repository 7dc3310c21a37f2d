//! Key names, key IDs, signature types and vkeys.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::str::FromStr;
use std::sync::Arc;

use vouchlog_merkle::sha256;

use crate::limits::{MAX_KEY_NAME_BYTES, MAX_VKEY_BYTES};
use crate::ml_dsa_44;
use crate::text::{decode_base64, encode_base64};

/// Bytes of an Ed25519 public key.
const ED25519_KEY_BYTES: usize = 32;

/// A public key with its name, ID and signature type, as a vkey spells it (signed-note).
///
/// An Ed25519 key is kept decompressed, so that checking a signature starts with the arithmetic. Keys of low
/// order and keys in a non-canonical encoding are refused here, once; see [`crate::UnverifiedNote::verify`] for
/// the policy this is part of.
#[derive(Clone, PartialEq, Eq)]
pub struct VerifyingKey {
    name: KeyName,
    id: KeyId,
    material: KeyMaterial,
}

#[derive(Clone, PartialEq, Eq)]
pub(crate) enum KeyMaterial {
    /// Signs a note's text.
    Ed25519(ed25519_dalek::VerifyingKey),
    /// Signs a checkpoint with a timestamp.
    CosignatureEd25519(ed25519_dalek::VerifyingKey),
    /// Signs a tree, or a part of one, with a timestamp.
    MlDsa44(ml_dsa_44::PublicKey),
}

impl VerifyingKey {
    /// Makes an Ed25519 key of type [`SignatureType::Ed25519`] or [`SignatureType::CosignatureEd25519`] from the
    /// 32 bytes of RFC 8032.
    pub fn ed25519(
        name: KeyName,
        signature_type: SignatureType,
        public_key: [u8; ED25519_KEY_BYTES],
    ) -> Result<Self, KeyError> {
        let material = match signature_type {
            SignatureType::Ed25519 => KeyMaterial::Ed25519(ed25519_point(&public_key)?),
            SignatureType::CosignatureEd25519 => KeyMaterial::CosignatureEd25519(ed25519_point(&public_key)?),
            SignatureType::MlDsa44 => return Err(KeyError::NotEd25519 { signature_type }),
        };
        let id = KeyId::compute(&name, signature_type, &public_key);
        Ok(Self { name, id, material })
    }

    /// Makes an ML-DSA-44 key, of type [`SignatureType::MlDsa44`], from the 1,312 bytes of FIPS 204; any are a key.
    pub fn ml_dsa_44(name: KeyName, public_key: [u8; ml_dsa_44::PUBLIC_KEY_BYTES]) -> Self {
        let id = KeyId::compute(&name, SignatureType::MlDsa44, &public_key);
        Self { name, id, material: KeyMaterial::MlDsa44(ml_dsa_44::PublicKey::new(public_key)) }
    }

    /// The key's name, which stands in its signature lines.
    pub fn name(&self) -> &KeyName {
        &self.name
    }

    /// The key's ID, which stands in its signature lines.
    pub fn id(&self) -> KeyId {
        self.id
    }

    /// What the key signs, and how.
    pub fn signature_type(&self) -> SignatureType {
        match self.material {
            KeyMaterial::Ed25519(_) => SignatureType::Ed25519,
            KeyMaterial::CosignatureEd25519(_) => SignatureType::CosignatureEd25519,
            KeyMaterial::MlDsa44(_) => SignatureType::MlDsa44,
        }
    }

    /// The 32 bytes of an Ed25519 key; `None` for a key of another algorithm.
    pub fn ed25519_bytes(&self) -> Option<&[u8; ED25519_KEY_BYTES]> {
        match &self.material {
            KeyMaterial::Ed25519(key) | KeyMaterial::CosignatureEd25519(key) => Some(key.as_bytes()),
            KeyMaterial::MlDsa44(_) => None,
        }
    }

    /// The public key alone, which is what makes two vkeys the same party in a policy.
    pub fn public_key(&self) -> &[u8] {
        match &self.material {
            KeyMaterial::Ed25519(key) | KeyMaterial::CosignatureEd25519(key) => key.as_bytes(),
            KeyMaterial::MlDsa44(key) => key.as_bytes(),
        }
    }

    pub(crate) fn material(&self) -> &KeyMaterial {
        &self.material
    }
}

fn ed25519_point(bytes: &[u8; ED25519_KEY_BYTES]) -> Result<ed25519_dalek::VerifyingKey, KeyError> {
    let key = ed25519_dalek::VerifyingKey::from_bytes(bytes).map_err(|_| KeyError::NotAPoint)?;
    // A key of low order verifies nearly any message, so its signatures prove nothing.
    if key.is_weak() {
        return Err(KeyError::WeakKey);
    }
    // A program that compares bytes would take a second spelling of a key for a second party.
    if key.to_edwards().compress().as_bytes() != bytes {
        return Err(KeyError::NonCanonicalKey);
    }
    Ok(key)
}

// vkey = <name> "+" <key ID, 8 lowercase hex digits> "+" base64(<type byte> <public key>)

impl FromStr for VerifyingKey {
    type Err = KeyError;

    fn from_str(vkey: &str) -> Result<Self, KeyError> {
        if vkey.len() > MAX_VKEY_BYTES {
            return Err(KeyError::TooLong { bytes: vkey.len(), limit: MAX_VKEY_BYTES });
        }
        // Names hold no `+`, base64 does: split at the first two.
        let mut parts = vkey.splitn(3, '+');
        let (Some(name), Some(id), Some(key)) = (parts.next(), parts.next(), parts.next()) else {
            return Err(KeyError::NotThreeParts);
        };
        let name = KeyName::new(name)?;
        let id: KeyId = id.parse()?;
        let key = decode_base64(key).ok_or(KeyError::Base64)?;
        let (&type_byte, public_key) = key.split_first().ok_or(KeyError::Base64)?;
        let signature_type = SignatureType::try_from(type_byte)?;

        let wrong_length =
            |expected| KeyError::KeyLength { signature_type, expected, actual: public_key.len() };
        let key = match signature_type {
            SignatureType::Ed25519 | SignatureType::CosignatureEd25519 => {
                let bytes = public_key.try_into().map_err(|_| wrong_length(ED25519_KEY_BYTES))?;
                Self::ed25519(name, signature_type, bytes)?
            }
            SignatureType::MlDsa44 => {
                let bytes = public_key.try_into().map_err(|_| wrong_length(ml_dsa_44::PUBLIC_KEY_BYTES))?;
                Self::ml_dsa_44(name, bytes)
            }
        };
        // SPEC: the key ID is derived from name, type and key (signed-note). One that differs was mistyped, or
        // belongs to another key.
        if key.id != id {
            return Err(KeyError::WrongId { stated: id, computed: key.id });
        }
        Ok(key)
    }
}

impl fmt::Display for VerifyingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let public_key = self.public_key();
        let mut key = Vec::with_capacity(1 + public_key.len());
        key.push(self.signature_type() as u8);
        key.extend_from_slice(public_key);
        write!(f, "{}+{}+{}", self.name, self.id, encode_base64(&key))
    }
}

impl fmt::Debug for VerifyingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "VerifyingKey({self})")
    }
}

impl Hash for VerifyingKey {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.name.hash(state);
        self.id.hash(state);
        self.public_key().hash(state);
    }
}

/// The name of a key: not empty, at most 255 bytes, without white space, `+` or control characters.
///
/// SPEC: signed-note forbids Unicode spaces and `+`; tlog-cosignature bounds the length. It should be a
/// scheme-less URL that its owner controls.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct KeyName(Arc<str>);

impl KeyName {
    /// Takes `name` if it may be a key name.
    pub fn new(name: &str) -> Result<Self, KeyError> {
        if name.is_empty() {
            return Err(KeyError::EmptyName);
        }
        if name.len() > MAX_KEY_NAME_BYTES {
            return Err(KeyError::NameTooLong { bytes: name.len(), limit: MAX_KEY_NAME_BYTES });
        }
        match name.chars().find(|&c| c.is_whitespace() || c.is_control() || c == '+') {
            Some(character) => Err(KeyError::NameCharacter { character }),
            None => Ok(Self(name.into())),
        }
    }

    /// Takes `name` for a new key: one of printable ASCII characters, so that no two names look the same and no character is
    /// invisible or changes the direction of a line. Names of older keys are read with [`KeyName::new`].
    pub fn for_new_key(name: &str) -> Result<Self, KeyError> {
        let name = Self::new(name)?;
        match name.lookalike() {
            Some(character) => Err(KeyError::NameNotAscii { character }),
            None => Ok(name),
        }
    }

    /// The first character that a name of a new key may not have.
    pub fn lookalike(&self) -> Option<char> {
        self.0.chars().find(|character| !character.is_ascii_graphic())
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for KeyName {
    type Err = KeyError;

    fn from_str(name: &str) -> Result<Self, KeyError> {
        Self::new(name)
    }
}

impl fmt::Display for KeyName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The four bytes that, with the name, say which key made a signature.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyId([u8; 4]);

impl KeyId {
    /// The ID whose bytes, in the order they are printed, are `bytes`.
    pub const fn from_bytes(bytes: [u8; 4]) -> Self {
        Self(bytes)
    }

    /// The bytes, in the order they are printed.
    pub const fn as_bytes(&self) -> &[u8; 4] {
        &self.0
    }

    /// SPEC: the first four bytes of SHA-256(name, LF, type byte, public key) (signed-note).
    pub(crate) fn compute(name: &KeyName, signature_type: SignatureType, public_key: &[u8]) -> Self {
        let mut message = Vec::with_capacity(name.as_str().len() + 2 + public_key.len());
        message.extend_from_slice(name.as_str().as_bytes());
        message.extend_from_slice(&[b'\n', signature_type as u8]);
        message.extend_from_slice(public_key);
        let hash = sha256(&message);
        let [a, b, c, d, ..] = *hash.as_bytes();
        Self([a, b, c, d])
    }
}

impl FromStr for KeyId {
    type Err = KeyError;

    fn from_str(hex: &str) -> Result<Self, KeyError> {
        let lowercase_hex = |byte: &u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
        if hex.len() != 8 || !hex.as_bytes().iter().all(lowercase_hex) {
            return Err(KeyError::IdSyntax);
        }
        u32::from_str_radix(hex, 16).map(|id| Self(id.to_be_bytes())).map_err(|_| KeyError::IdSyntax)
    }
}

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:08x}", u32::from_be_bytes(self.0))
    }
}

impl fmt::Debug for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KeyId({self})")
    }
}

/// What a key signs, and how: the type byte of a vkey (signed-note's registry). Other types are refused.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
#[repr(u8)]
pub enum SignatureType {
    /// Ed25519 over the note's text.
    Ed25519 = 0x01,
    /// Ed25519 over a timestamp and a checkpoint (tlog-cosignature).
    CosignatureEd25519 = 0x04,
    /// ML-DSA-44 over a timestamp and a tree head, or a subtree's hash (tlog-cosignature).
    MlDsa44 = 0x06,
}

impl TryFrom<u8> for SignatureType {
    type Error = KeyError;

    fn try_from(byte: u8) -> Result<Self, KeyError> {
        match byte {
            0x01 => Ok(Self::Ed25519),
            0x04 => Ok(Self::CosignatureEd25519),
            0x06 => Ok(Self::MlDsa44),
            _ => Err(KeyError::UnknownType { type_byte: byte }),
        }
    }
}

impl fmt::Display for SignatureType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let words = match self {
            Self::Ed25519 => "0x01 (Ed25519)",
            Self::CosignatureEd25519 => "0x04 (Ed25519 cosignature)",
            Self::MlDsa44 => "0x06 (ML-DSA-44 cosignature)",
        };
        f.write_str(words)
    }
}

/// Why a key, or a part of one, was refused. The supplier of the key is at fault.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum KeyError {
    /// One of two implementations of ML-DSA-44 is wrong on this processor or in this build.
    #[error("two implementations of ML-DSA-44 disagree on this machine: use an Ed25519 key")]
    MlDsa44Disagrees,
    /// A key name was empty.
    #[error("the key name is empty")]
    EmptyName,
    /// A key name was longer than a cosigned message can hold.
    #[error("the key name has {bytes} bytes, the limit is {limit}")]
    NameTooLong {
        /// Bytes of the name.
        bytes: usize,
        /// Bytes a name may have.
        limit: usize,
    },
    /// A key name held white space, a `+` or a control character.
    #[error("the key name holds {character:?}; white space, '+' and control characters are not allowed")]
    NameCharacter {
        /// The first character that is not allowed.
        character: char,
    },
    /// The name of a new key held a character that may not be told apart from another, or not be seen.
    #[error(
        "the name holds U+{:04X}: names of new keys and new gateways have printable ASCII characters only, so that they can be told apart",
        *character as u32
    )]
    NameNotAscii {
        /// The first character that is not ASCII.
        character: char,
    },
    /// A vkey was longer than any key of a registered type can make it.
    #[error("the vkey has {bytes} bytes, the limit is {limit}")]
    TooLong {
        /// Bytes of the vkey.
        bytes: usize,
        /// Bytes a vkey may have.
        limit: usize,
    },
    /// A vkey did not read `<name>+<id>+<key>`.
    #[error("a vkey has the form <name>+<8 hex digits>+<base64>; this one has fewer than three parts")]
    NotThreeParts,
    /// A key file did not read `PRIVATE+KEY+<name>+<id>+<key>`.
    #[error("a key file has the form PRIVATE+KEY+<name>+<8 hex digits>+<base64>; this one does not")]
    NotAKeyFile,
    /// A key ID was not eight lowercase hex digits.
    #[error("the key ID is not eight lowercase hex digits")]
    IdSyntax,
    /// The key was not canonical base64, or was empty.
    #[error("the key is not canonical base64 of a type byte and a key")]
    Base64,
    /// The type byte is not one this crate knows.
    #[error("signature type {type_byte:#04x} is not supported (supported: 0x01, 0x04, 0x06)")]
    UnknownType {
        /// The type byte that was stated.
        type_byte: u8,
    },
    /// An Ed25519 key was asked for under the type of another algorithm.
    #[error("signature type {signature_type} is not an Ed25519 type")]
    NotEd25519 {
        /// The type that was asked for.
        signature_type: SignatureType,
    },
    /// The key had the wrong number of bytes for its type.
    #[error("a key of type {signature_type} has {expected} bytes, this one {actual}")]
    KeyLength {
        /// The type that was stated.
        signature_type: SignatureType,
        /// Bytes of a key of that type.
        expected: usize,
        /// Bytes of this key.
        actual: usize,
    },
    /// The stated key ID was not the one the key has.
    #[error("the key ID is {stated}, but name, type and key give {computed}")]
    WrongId {
        /// The ID in the text.
        stated: KeyId,
        /// The ID that follows from the rest of the text.
        computed: KeyId,
    },
    /// The 32 bytes were not a point of the curve.
    #[error("the Ed25519 key is not a point of the curve")]
    NotAPoint,
    /// The key was of low order, so that nearly any message verifies under it.
    #[error("the Ed25519 key is of low order: nearly any message would verify under it")]
    WeakKey,
    /// The key was a second spelling of another key.
    #[error("the Ed25519 key is not in its canonical encoding")]
    NonCanonicalKey,
}
