//! `vouchlog verify-report`: checks who signed a report, and that none of its files was changed.

use std::path::PathBuf;

use serde_json::json;
use vouchlog::VerifyingKey;
use vouchlog_merkle::sha256;
use vouchlog_note::UnverifiedNote;
use vouchlog_note::limits::MAX_NOTE_BYTES;
use vouchlog_session::plain;

use super::paper::{SignedReport, signature_file};
use super::read_file;
use crate::output::{self, Outcome, Output};

/// A page stays far below this.
const MAX_PAGE_BYTES: usize = 64 << 20;

/// Verify that a report was signed by a key, and that none of its pages was changed since
#[derive(clap::Args)]
#[command(after_help = "Example:\n  vouchlog verify-report audit.html --vkey \"$AUDITOR_VKEY\"\n\n\
                        A signature shows who made the report and that it is unchanged. It does not show that the report is right: the evidence\n\
                        files and the session's bundle do that.\n\n\
                        Exit status: 0 the signature and every page hold, 1 they do not, 2 a file cannot be read.")]
pub(crate) struct Args {
    /// The report; of several pages the first
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// The public key of who signed it, as `vouchlog keygen` printed it
    #[arg(long, value_name = "VKEY", env = "VOUCHLOG_REPORT_VKEY")]
    vkey: VerifyingKey,
    /// The signature [default: FILE.sig]
    #[arg(long, value_name = "FILE")]
    signature: Option<PathBuf>,
}

impl Args {
    pub(crate) fn run(self, output: Output) -> anyhow::Result<Outcome> {
        let signature = self.signature.clone().unwrap_or_else(|| signature_file(&self.file));
        let note = read_file(&signature, MAX_NOTE_BYTES)?;
        let signed = match self.signed(&note) {
            Ok(signed) => signed,
            Err(finding) => return output.refuse(&finding),
        };
        let own = self.file.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        if signed.pages.iter().all(|page| page.name != own) {
            return output.refuse(&format!("the signature is not for a file of the name {own}"));
        }
        for page in &signed.pages {
            let bytes = read_file(&self.file.with_file_name(&page.name), MAX_PAGE_BYTES)?;
            if sha256(&bytes) != page.digest {
                return output.refuse(&format!("{} is not the page that was signed", page.name));
            }
        }
        let pages = output::count(signed.pages.len() as u64, "page", "pages");
        let at = signed.at.strftime("%Y-%m-%d %H:%M:%S UTC").to_string();
        let words = format!(
            "verified: {pages}, signed by {}\n  made        {at}, by the clock of the signer",
            plain(&self.vkey.to_string())
        );
        let names: Vec<&str> = signed.pages.iter().map(|page| page.name.as_str()).collect();
        output.answer(
            &words,
            &json!({ "holds": true, "vkey": self.vkey.to_string(), "made": signed.at, "pages": names }),
        )?;
        Ok(Outcome::Fine)
    }

    fn signed(&self, note: &[u8]) -> Result<SignedReport, String> {
        let note =
            UnverifiedNote::parse(note).map_err(|error| format!("the signature is malformed: {error}"))?;
        let verified =
            note.verify([&self.vkey]).map_err(|error| format!("the signature does not verify: {error}"))?;
        SignedReport::parse(verified.text()).ok_or_else(|| "what was signed is not a report".to_owned())
    }
}
