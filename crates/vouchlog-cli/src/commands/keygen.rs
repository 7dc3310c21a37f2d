//! `vouchlog keygen`: makes a key and prints its public side.

use std::path::PathBuf;

use clap::ValueEnum;
use serde_json::json;
use vouchlog::keys::{self, KeyFileError};
use vouchlog::witness::create_key;
use vouchlog_note::SignatureType;

use crate::advice::Advice;
use crate::output::{Outcome, Output};

/// Generate a key: write the secret to a file, and print the public vkey
#[derive(clap::Args)]
#[command(
    after_help = "Example:\n  vouchlog keygen --name gateway.example.com/eu-1 --kind gateway --out gateway.key"
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
            (Self::Log | Self::Operator | Self::Gateway, Algorithm::Ed25519) => Some(SignatureType::Ed25519),
            (Self::Witness, Algorithm::Ed25519) => Some(SignatureType::CosignatureEd25519),
            (Self::Log | Self::Witness, Algorithm::MlDsa44) => Some(SignatureType::MlDsa44),
            (Self::Operator | Self::Gateway, Algorithm::MlDsa44) => None,
        }
    }
}

impl Args {
    pub(crate) fn run(self, output: Output) -> anyhow::Result<Outcome> {
        let signature_type = self.kind.signature_type(self.algorithm).ok_or_else(|| {
            Advice::error("only logs and witnesses sign with ML-DSA-44", "leave --algorithm out")
        })?;
        let create = if self.kind == Kind::Witness { create_key } else { keys::create };
        let key = create(&self.out, &self.name, signature_type).map_err(|error| {
            let hint = match error {
                KeyFileError::Exists(_) | KeyFileError::StateExists(_) => "give another file with --out",
                KeyFileError::Key { .. } => "a name is a URL without its scheme, such as log.example.com/ai",
                _ => "the folder must exist and be writable",
            };
            Advice::error(error.to_string(), hint)
        })?;
        let vkey = key.verifying_key().to_string();
        output.answer(&vkey, &json!({ "vkey": vkey, "file": self.out }))?;
        Ok(Outcome::Fine)
    }
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
