//! Reading a checkpoint with the keys one trusts, and saying what is wrong with one that does not hold.

use vouchlog_note::{
    CheckpointError, NoteError, SignedCheckpoint, UnverifiedNote, VerifiedNote, VerifyingKey,
};

use crate::config::{Config, LogIdentity};
use crate::evidence::EvidenceSource;
use crate::finding::{Cause, Suspicions};
use crate::kind::FindingKind;
use crate::place::Place;

/// Opens a checkpoint by the log's keys alone. Cosignatures are not looked at.
pub(crate) fn open(note: &str, log: &LogIdentity) -> Result<SignedCheckpoint, CheckpointError> {
    SignedCheckpoint::open_with_keys(note.as_bytes(), &log.origin, &log.keys)
}

/// Why a checkpoint does not open: its signature, or its form.
pub(crate) fn fault(error: &CheckpointError) -> FindingKind {
    match error {
        CheckpointError::Note(
            NoteError::InvalidSignature { .. }
            | NoteError::NoKnownSignature { .. }
            | NoteError::RepeatedSignature { .. },
        ) => FindingKind::BadLogSignature,
        _ => FindingKind::MalformedCheckpoint,
    }
}

/// What the cosignatures on a checkpoint are worth.
#[derive(Debug, Default)]
pub(crate) struct Cosigned {
    /// Witnesses of the policy whose line does not verify.
    pub(crate) forged: Vec<VerifyingKey>,
    /// Witnesses whose cosignature verifies, by their names in the policy.
    pub(crate) by: Vec<String>,
    /// When the newest cosignature was made, seconds since 1970.
    pub(crate) newest: Option<u64>,
    /// Whether the policy is satisfied; true without one.
    pub(crate) quorum: bool,
}

/// Checks the cosignatures on a checkpoint that the log signed, one by one: a forged line must not hide the good ones.
pub(crate) fn cosignatures(signed: &SignedCheckpoint, log: &LogIdentity) -> Cosigned {
    let Some(policy) = &log.policy else { return Cosigned { quorum: true, ..Cosigned::default() } };
    let mut cosigned = Cosigned::default();
    let mut good = Vec::new();
    for witness in policy.witnesses() {
        let key = witness.key();
        match verify(signed.note(), key) {
            Ok(note) => {
                let time = note.signatures().iter().find_map(vouchlog_note::VerifiedSignature::timestamp);
                cosigned.newest = cosigned.newest.max(time);
                cosigned.by.push(witness.name().to_string());
                good.push(key);
            }
            Err(NoteError::NoKnownSignature { .. }) => {}
            Err(_) => cosigned.forged.push(key.clone()),
        }
    }
    let note = UnverifiedNote::parse(signed.note().as_bytes());
    let good = note.and_then(|note| note.verify(good.into_iter().chain(&log.keys)));
    cosigned.quorum = good.map_or(policy.is_quorum_none(), |note| policy.satisfied_by(&note));
    cosigned
}

fn verify(note: &str, key: &VerifyingKey) -> Result<VerifiedNote, NoteError> {
    UnverifiedNote::parse(note.as_bytes())?.verify([key])
}

/// Examines the checkpoint the log serves. `None` when there is nothing the log signed, and so nothing to audit.
pub(crate) fn examine(
    note: &str,
    config: &Config,
    found: &mut Suspicions,
) -> Option<(SignedCheckpoint, Cosigned)> {
    let signed = match open(note, &config.log) {
        Ok(signed) => signed,
        Err(error) => {
            let lead = EvidenceSource::note(note);
            found.add(fault(&error), Place::default(), lead, || {
                format!("the checkpoint is rejected: {error}")
            });
            return None;
        }
    };
    let size = signed.head().size.get();
    let cosigned = cosignatures(&signed, &config.log);
    let lead = || EvidenceSource::note(note);
    let mut forged: Option<Cause> = None;
    for key in &cosigned.forged {
        let words = || format!("the line of witness {}+{} does not verify", key.name(), key.id());
        let cause = found.add(FindingKind::ForgedCosignature, Place::checkpoint(size), lead(), words);
        forged.get_or_insert(cause);
    }
    if !cosigned.quorum {
        let count = cosigned.by.len();
        let words =
            || format!("no quorum: the checkpoint has cosignatures of {count} of the policy's witnesses");
        let finding = found.add(FindingKind::MissingQuorum, Place::checkpoint(size), lead(), words);
        if let Some(forged) = forged {
            found.explain(finding, forged);
        }
    }
    if let (Some(now), Some(newest)) = (config.options.now, cosigned.newest) {
        let (age, limit) = (now.get().saturating_sub(newest), config.options.max_checkpoint_age.as_secs());
        if age > limit {
            let words = || format!("the newest cosignature is {age} seconds old, more than {limit}");
            found.add(FindingKind::StaleCheckpoint, Place::checkpoint(size), lead(), words);
        }
    }
    Some((signed, cosigned))
}
