//! `vouchlog rotate-witness` and `vouchlog follow-witness`: a witness changes its key, and those who list it follow.

use std::path::PathBuf;

use anyhow::Context;
use serde_json::json;
use vouchlog::keys;
use vouchlog::verify::{Claim, verify};
use vouchlog::witness::hand_over_state;
use vouchlog::{Appender, KeyName, Policy, VerifyingKey, unix_millis};
use vouchlog_note::limits::{MAX_POLICY_BYTES, MAX_PROOF_FILE_BYTES};
use vouchlog_note::{OldKey, PolicyRotationError, ProofFile};
use vouchlog_stream::limits::MAX_NOTE_BYTES;
use vouchlog_stream::{Entry, WitnessRotation};

use super::{read_file, remote, write_file};
use crate::advice::Advice;
use crate::output::{Outcome, Output};

/// Hand a witness's name over to a new key: both keys sign
#[derive(clap::Args)]
#[command(
    after_help = "Examples:\n  vouchlog rotate-witness --key witness/witness.key --new-key witness-2.key \\\n    \
                        --out rotation.note\n  \
                        vouchlog rotate-witness --key witness/witness.key --new-key witness-2.key \\\n    \
                        --out rotation.note --log http://127.0.0.1:6962\n\n\
                        Make the new key with `vouchlog keygen --kind witness` and the witness's name. From then on it opens the old key's store,\n\
                        and no other. Start the witness with `--key NEW --also OLD`, give the note to the logs and\n\
                        verifiers, who follow with `vouchlog follow-witness`, and leave --also out when they have."
)]
pub(crate) struct RotateArgs {
    /// The witness's key file, with its .state file beside it
    #[arg(long, value_name = "FILE", env = "VOUCHLOG_WITNESS_KEY")]
    key: PathBuf,
    /// The key file that takes its place
    #[arg(long, value_name = "FILE")]
    new_key: PathBuf,
    /// The file for the rotation note
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// URL of a log whose policy lists the witness: it logs the rotation. May be repeated
    #[arg(long = "log", value_name = "URL")]
    logs: Vec<String>,
}

/// Write a policy that follows the rotation of a witness's key
#[derive(clap::Args)]
#[command(
    after_help = "Examples:\n  vouchlog follow-witness --policy policy.txt --rotation rotation.note --out policy.txt\n  \
                        vouchlog follow-witness --policy policy.txt --rotation rotation.note \\\n    \
                        --drop-old --out policy.txt\n\n\
                        The note is signed by the old key and the new one; anything else is refused. Both keys count at first, as one witness:\n\
                        any one of them, and never both. Once the witness no longer cosigns with the old key, take it out with --drop-old. With\n\
                        --proof the note must be an entry of a log under a checkpoint that satisfies the policy."
)]
pub(crate) struct FollowArgs {
    /// The policy that lists the old key
    #[arg(long, value_name = "FILE")]
    policy: PathBuf,
    /// The note that `vouchlog rotate-witness` wrote
    #[arg(long, value_name = "FILE")]
    rotation: PathBuf,
    /// A proof file of the note's entry in a log: `vouchlog prove`
    #[arg(long, value_name = "FILE", requires = "log_vkey")]
    proof: Option<PathBuf>,
    /// The public key of that log
    #[arg(long, value_name = "VKEY", env = "VOUCHLOG_LOG_VKEY")]
    log_vkey: Option<VerifyingKey>,
    /// Take the old key out of the policy
    #[arg(long)]
    drop_old: bool,
    /// The file to write; may be the policy itself
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
}

impl RotateArgs {
    pub(crate) async fn run(self, output: Output) -> anyhow::Result<Outcome> {
        let (old, new) = (keys::load(&self.key)?, keys::load(&self.new_key)?);
        let time = unix_millis().get() / 1_000;
        let note = WitnessRotation::sign(&old, &new, time).map_err(|error| {
            Advice::error(
                error.to_string(),
                "make the new key with `vouchlog keygen --kind witness` and the witness's name. ML-DSA-44 keys are not rotated: add the new one to the policy",
            )
        })?;
        // Before anyone can follow: a new key that opened another store could contradict what the old one cosigned.
        hand_over_state(&self.key, &self.new_key)?;
        write_file(&self.out, note.as_bytes())?;
        let mut entries = Vec::new();
        for url in &self.logs {
            let remote = remote::connect(url)?;
            let logged = remote.change_key(note.clone()).await;
            entries.push((url, logged.map_err(|error| remote::failed(url, &error))?.get()));
        }
        let (old, new) = (old.verifying_key(), new.verifying_key());
        let mut words = format!(
            "{} hands over from the key {} to the key {}: {}",
            vouchlog_session::plain(new.name().as_str()),
            old.id(),
            new.id(),
            self.out.display()
        );
        for (url, index) in &entries {
            words.push_str(&format!("\n  entry {index} of the log at {url}"));
        }
        let json = json!({
            "witness": new.to_string(), "key_id": new.id().to_string(), "replaces": old.to_string(), "note": note,
            "entries": entries.iter().map(|(url, index)| json!({ "log": url, "index": index })).collect::<Vec<_>>(),
        });
        output.answer(&words, &json)?;
        Ok(Outcome::Fine)
    }
}

impl FollowArgs {
    pub(crate) fn run(self, output: Output) -> anyhow::Result<Outcome> {
        let note = read_file(&self.rotation, MAX_NOTE_BYTES)?;
        let note = String::from_utf8(note).context("the rotation note is not text")?;
        let rotation = WitnessRotation::open(&note).map_err(|error| {
            Advice::error(
                format!("{}: {error}", self.rotation.display()),
                "give the file that `vouchlog rotate-witness --out` wrote",
            )
        })?;
        let text = read_file(&self.policy, MAX_POLICY_BYTES)?;
        if let (Some(proof), Some(log)) = (&self.proof, &self.log_vkey) {
            let policy = Policy::parse(&text)?;
            let proof = read_file(proof, MAX_PROOF_FILE_BYTES)?;
            is_logged(&note, &proof, &policy, log)?;
        }
        let WitnessRotation { witness, replaces } = &rotation;
        let old_key = if self.drop_old { OldKey::Goes } else { OldKey::Counts };
        let followed = Policy::rotate_text(&text, [replaces, witness], old_key).map_err(|error| {
            let hint = match error {
                PolicyRotationError::NotListed(_) => {
                    "the policy may follow already, or the rotation is another witness's"
                }
                PolicyRotationError::TwoWitnesses(_) => "one witness must not count twice",
                _ => "check the policy file",
            };
            Advice::error(error.to_string(), hint)
        })?;
        write_file(&self.out, &followed)?;
        let name: &KeyName = witness.name();
        let which =
            if self.drop_old { "only the new key counts" } else { "either key counts, as one witness" };
        let words = format!(
            "wrote {}: {} has the key {} in place of {}; {which}",
            self.out.display(),
            vouchlog_session::plain(name.as_str()),
            witness.id(),
            replaces.id()
        );
        let json = json!({
            "policy": self.out, "witness": witness.to_string(), "replaces": replaces.to_string(), "old_counts": !self.drop_old,
        });
        output.answer(&words, &json)?;
        Ok(Outcome::Fine)
    }
}

/// Checks that the note is the entry that a proof file proves to be in the log, under the policy.
fn is_logged(note: &str, proof: &[u8], policy: &Policy, log: &VerifyingKey) -> anyhow::Result<()> {
    let file = ProofFile::parse(proof)?;
    let entry = file.extra().context("the proof file does not carry the entry")?;
    let verified = verify(proof, log, Some(policy), Claim::Entry(entry))?;
    match verified.entry {
        Some(Entry::WitnessRotated { note: logged, .. }) if logged == note => Ok(()),
        _ => Err(Advice::error(
            format!("the entry {} of the log {} is not this rotation", verified.index, verified.origin),
            "prove the entry that `vouchlog rotate-witness` printed",
        )),
    }
}
