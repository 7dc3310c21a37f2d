//! `vouchlog log successor`: which vkey comes after a log's.

use std::path::PathBuf;

use serde_json::json;
use vouchlog::{Origin, VerifyingKey};
use vouchlog_note::limits::MAX_PROOF_FILE_BYTES;
use vouchlog_session::plain;
use vouchlog_stream::RetirementProof;

use crate::commands::failed::Failed;
use crate::commands::given;
use crate::output::{NO_POLICY, Outcome, Output};

/// Prove offline, from the vkey of a log that has ended, which log continues it
#[derive(clap::Args)]
#[command(
    after_help = "Example:\n  vouchlog log successor end.tlog-proof --log-vkey \"$LOG_VKEY\" --policy policy.txt\n\n\
                        Give --policy: if the log's key was stolen, the thief can sign another end, with another successor. Only the witnesses'\n\
                        cosignatures show which one is the log's.\n\
                        Exit status: 0 the vkey printed is proven, 1 it is not, 2 it could not be checked."
)]
pub(super) struct Args {
    /// The proof that `vouchlog log retire` wrote
    #[arg(value_name = "FILE")]
    proof: PathBuf,
    /// The public key of the log that has ended
    #[arg(long, value_name = "VKEY", env = "VOUCHLOG_LOG_VKEY")]
    log_vkey: VerifyingKey,
    /// Witnesses that must have cosigned the final checkpoint (C2SP tlog-policy)
    #[arg(long, value_name = "FILE", env = "VOUCHLOG_POLICY")]
    policy: Option<PathBuf>,
}

impl Args {
    pub(super) fn run(self, output: Output) -> anyhow::Result<Outcome> {
        let bytes = given::read(&self.proof, MAX_PROOF_FILE_BYTES)?;
        let proof = match RetirementProof::open_of(&bytes, &self.log_vkey) {
            Ok(proof) => proof,
            Err(error) => return Failed::Finding(error.to_string()).end(output),
        };
        let retirement = proof.retirement();
        if let Some(file) = &self.policy {
            let policy = crate::commands::policy(file)?;
            let origin = Origin::new(self.log_vkey.name().as_str())?;
            let cosigned =
                policy.verify_checkpoint_of(proof.checkpoint().as_bytes(), &origin, [&self.log_vkey]);
            if let Err(error) = cosigned {
                return Failed::Finding(format!("the final checkpoint does not satisfy the policy: {error}"))
                    .end(output);
            }
        }
        let (head, successor) = (proof.head(), &retirement.successor);
        let at = crate::output::time(proof.logged_at());
        let mut words = format!(
            "{}\n  continues   {}, which ended at {at} with {} entries, root {}\n  because     {}",
            plain(&successor.to_string()),
            plain(retirement.origin().as_str()),
            head.size,
            head.root,
            plain(&retirement.to_string())
        );
        if self.policy.is_none() {
            words.push('\n');
            words.push_str(NO_POLICY);
        }
        let answer = json!({
            "successor": successor.to_string(), "origin": retirement.successor_origin().as_str(),
            "predecessor": retirement.log.to_string(), "size": head.size.get(), "root": head.root.to_string(),
            "reason": retirement.cause.word(), "words": retirement.words, "witnessed": self.policy.is_some(),
        });
        output.answer(&words, &answer)?;
        Ok(Outcome::Fine)
    }
}
