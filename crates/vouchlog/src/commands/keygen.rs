//! `vouchlog keygen`: makes a key and prints its public side.

use std::path::PathBuf;

use clap::ValueEnum;
use serde_json::json;
use vouchlog::keys::{self, KeyFileError};
use vouchlog_note::SignatureType;

use crate::advice::Advice;
use crate::output::{Outcome, Output};

/// Make a key: the secret goes into a file, the public vkey is printed
#[derive(clap::Args)]
#[command(
    after_help = "Example:\n  vouchlog keygen --name gateway.example.com/eu-1 --kind gateway --out gateway.key"
)]
pub(crate) struct Args {
    /// The key's name, a URL without its scheme; a log's key is named as its origin
    #[arg(long)]
    name: String,
    /// Who the key is for
    #[arg(long, value_enum)]
    kind: Kind,
    /// The file for the secret, readable by its owner alone; never overwritten
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
}

/// Who a key is for, and so what its signatures mean.
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

impl Kind {
    fn signature_type(self) -> SignatureType {
        match self {
            Self::Log | Self::Operator | Self::Gateway => SignatureType::Ed25519,
            Self::Witness => SignatureType::CosignatureEd25519,
        }
    }
}

impl Args {
    pub(crate) fn run(self, output: Output) -> anyhow::Result<Outcome> {
        let key = keys::create(&self.out, &self.name, self.kind.signature_type()).map_err(|error| {
            let hint = match error {
                KeyFileError::Exists(_) => "name another file with --out",
                KeyFileError::Key { .. } => "a name is a URL without its scheme, such as log.example.com/ai",
                _ => "the folder has to exist, and you have to be allowed to write there",
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
    fn a_kind_fixes_the_type_byte() {
        for kind in Kind::value_variants() {
            let expected = if *kind == Kind::Witness { 0x04 } else { 0x01 };
            assert_eq!(kind.signature_type() as u8, expected, "{kind:?}");
        }
    }
}
