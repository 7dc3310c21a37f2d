//! `vouchlog keygen`: makes a key, or the key file of one that is kept elsewhere, and prints its public side.

use std::path::PathBuf;

use clap::ValueEnum;
use serde_json::json;
use vouchlog::keys::{self, KeyFileError, KeyLocation, KeyPlaceError, KeyReference};
use vouchlog::witness::{create_key, create_key_reference};
use vouchlog::{KeyName, SigningKey, VerifyingKey};
use vouchlog_note::SignatureType;

use crate::advice::Advice;
use crate::output::{Outcome, Output};

/// What is signed to try a key: it verifies as nothing that is used (the header and payload of a JWS).
const TRIAL: &str = "eyJ0eXAiOiJ2b3VjaGxvZy1rZXktdHJpYWwifQ.e30";

/// Generate a key: write the secret to a file, and print the public vkey. With --at, name a key that is kept elsewhere
#[derive(clap::Args)]
#[command(
    after_help = "Examples:\n  vouchlog keygen --name gateway.example.com/eu-1 --kind gateway --out gateway.key\n  \
                        vouchlog keygen --name log.example.com/ai --kind log --out log.key \\\n    \
                        --at 'pkcs11:token=t;object=log?module-path=/lib/p11.so&pin-source=env:PIN'\n  \
                        vouchlog keygen --name log.example.com/ai/operator --kind operator \\\n    \
                        --out operator.key --at ssh-agent:\n\n\
                        A key file made with --at holds the vkey and the place, and no secret. Every --key, --operator-key and --gateway-key\n\
                        takes it like any key file. Those flags also take the two without a file: ssh-agent:VKEY, or 'PLACE VKEY'.\n\n\
                        Places:\n  \
                        ssh-agent:[FINGERPRINT]  an Ed25519 key of the agent at SSH_AUTH_SOCK, by its SHA256: fingerprint\n  \
                        pkcs11:URI               an Ed25519 key of a token (RFC 7512); the PIN is named with pin-source=file:PATH or env:NAME\n  \
                        command:PROGRAM ARGS     a program, without a shell: the bytes on standard input, the signature on standard output\n  \
                        aws-kms:KEY              the id, alias or ARN of a key of type ECC_NIST_EDWARDS25519\n  \
                        gcp-kms:NAME             the full name of a key version with the algorithm EC_SIGN_ED25519"
)]
pub(crate) struct Args {
    /// The key's name, a URL without its scheme; a log's key is named as its origin
    #[arg(long)]
    name: String,
    /// What the key is for
    #[arg(long, value_enum)]
    kind: Kind,
    /// The signature algorithm; ML-DSA-44 is for logs and witnesses, beside their Ed25519 keys
    #[arg(long, value_enum, default_value = "ed25519")]
    algorithm: Algorithm,
    /// The place of a key that exists elsewhere; see below. It is asked for its public key, and for a signature as a trial
    #[arg(long, value_name = "PLACE", conflicts_with = "algorithm")]
    at: Option<KeyLocation>,
    /// The public key of --at command:PROGRAM: 64 hexadecimal digits
    #[arg(long, value_name = "HEX", requires = "at", value_parser = public_key)]
    public_key: Option<PublicKey>,
    /// The file for the secret, readable by its owner only; never overwritten. A witness's key has a second file, FILE.state, which must stay with it
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
}

/// The role of a key, which its signatures attest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Kind {
    /// Signs checkpoints of a log
    Log,
    /// Enrols and revokes the gateways of a log
    Operator,
    /// Cosigns checkpoints
    Witness,
    /// Opens streams of a gateway
    Gateway,
    /// Signs reports of audits and sessions
    Auditor,
}

/// What a key signs with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Algorithm {
    /// Supported by every log and witness
    Ed25519,
    /// Post-quantum; signature lines of 3 kB
    #[value(name = "ml-dsa-44")]
    MlDsa44,
}

impl Kind {
    /// The type of the key's signatures; `None` where nothing reads them.
    fn signature_type(self, algorithm: Algorithm) -> Option<SignatureType> {
        match (self, algorithm) {
            (Self::Log | Self::Operator | Self::Gateway | Self::Auditor, Algorithm::Ed25519) => {
                Some(SignatureType::Ed25519)
            }
            (Self::Witness, Algorithm::Ed25519) => Some(SignatureType::CosignatureEd25519),
            (Self::Log | Self::Witness, Algorithm::MlDsa44) => Some(SignatureType::MlDsa44),
            (Self::Operator | Self::Gateway | Self::Auditor, Algorithm::MlDsa44) => None,
        }
    }
}

impl Args {
    pub(crate) fn run(self, output: Output) -> anyhow::Result<Outcome> {
        let signature_type = self.kind.signature_type(self.algorithm).ok_or_else(|| {
            Advice::error("only logs and witnesses sign with ML-DSA-44", "leave --algorithm out")
        })?;
        let vkey = match &self.at {
            None => {
                let create = if self.kind == Kind::Witness { create_key } else { keys::create };
                let key = create(&self.out, &self.name, signature_type).map_err(|error| advise(&error))?;
                key.verifying_key().to_string()
            }
            Some(place) => {
                let reference = self.reference(place, signature_type)?;
                let create =
                    if self.kind == Kind::Witness { create_key_reference } else { keys::create_reference };
                create(&self.out, &reference).map_err(|error| advise(&error))?;
                reference.vkey.to_string()
            }
        };
        output.answer(&vkey, &json!({ "vkey": vkey, "file": self.out }))?;
        Ok(Outcome::Fine)
    }

    /// The key at a place, after it has signed something as a trial.
    fn reference(&self, place: &KeyLocation, signature_type: SignatureType) -> anyhow::Result<KeyReference> {
        let public = match &self.public_key {
            Some(PublicKey(public)) => *public,
            None => place.public_key().map_err(|error| {
                let hint = match error {
                    KeyPlaceError::NoVkey => "give its public key with --public-key",
                    _ => "the key must exist there already, as an Ed25519 key that this user may use",
                };
                Advice::error(format!("{place}: {error}"), hint)
            })?,
        };
        let name = KeyName::for_new_key(&self.name)?;
        let vkey = VerifyingKey::ed25519(name, signature_type, public)?;
        let reference = KeyReference { vkey, location: place.clone() };
        let key: SigningKey = reference.open()?;
        key.sign_jws(TRIAL).map_err(|error| {
            Advice::error(
                error.to_string(),
                "the place must sign with this key before a key file is made for it",
            )
        })?;
        Ok(reference)
    }
}

/// 32 bytes of a public key.
#[derive(Clone, Debug)]
struct PublicKey([u8; 32]);

fn public_key(text: &str) -> Result<PublicKey, String> {
    let bytes = hex::decode(text).ok().and_then(|bytes| bytes.try_into().ok());
    bytes.map(PublicKey).ok_or_else(|| "a public key has 64 hexadecimal digits".to_owned())
}

fn advise(error: &KeyFileError) -> anyhow::Error {
    let hint = match error {
        KeyFileError::Exists(_) | KeyFileError::StateExists(_) => "give another file with --out",
        KeyFileError::Key { .. } => "a name is a URL without its scheme, such as log.example.com/ai",
        _ => "the folder must exist and be writable",
    };
    Advice::error(error.to_string(), hint)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kind_and_algorithm_fix_the_type_byte() {
        for (kind, ed25519, ml_dsa) in [
            (Kind::Log, 0x01, Some(0x06)),
            (Kind::Operator, 0x01, None),
            (Kind::Witness, 0x04, Some(0x06)),
            (Kind::Gateway, 0x01, None),
        ] {
            let byte = |algorithm| kind.signature_type(algorithm).map(|found| found as u8);
            assert_eq!(byte(Algorithm::Ed25519), Some(ed25519), "{kind:?}");
            assert_eq!(byte(Algorithm::MlDsa44), ml_dsa, "{kind:?}");
        }
    }
}
