//! Verifying an evidence file from scratch, offline, with keys that did not come with it.

use std::collections::BTreeMap;

use vouchlog_merkle::{
    ConsistencyProof, Hash, LeafIndex, ProofError, RangeProof, TreeHead, leaf_hash, sha256,
};
use vouchlog_note::{CheckpointError, SignedCheckpoint};
use vouchlog_stream::{RetirementProof, SuccessionError};

use super::broken_rule::BrokenRule;
use crate::bundle;
use crate::checkpoint::{cosignatures, fault, open};
use crate::config::LogIdentity;
use crate::evidence::{Evidence, EvidenceFile, ProvenRun, ServedBytes};
use crate::kind::FindingKind;
use crate::limits::MAX_EVIDENCE_ENTRIES;

/// What an evidence file is worth.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Verdict {
    /// It proves misconduct: what the log's keys signed breaks a promise or a rule, and no other party could have made it.
    Proven {
        /// What is proven, in words of the verifier.
        statement: String,
        /// Whether the checkpoints in it also satisfy the policy; true without one.
        cosigned: bool,
    },
    /// It says what was observed, and what can be checked of it fits. That it happened rests on the auditor's word.
    Observed {
        /// What was checked, and what cannot be.
        reason: String,
    },
    /// It does not show what it says.
    Refuted {
        /// Where it fails.
        reason: String,
    },
}

impl Verdict {
    /// Whether misconduct is proven.
    pub fn is_proven(&self) -> bool {
        matches!(self, Self::Proven { .. })
    }
}

/// Why a file shows nothing. Becomes a [`Verdict::Refuted`].
struct Refuted(String);

impl From<CheckpointError> for Refuted {
    fn from(error: CheckpointError) -> Self {
        Self(format!("a checkpoint in it does not verify: {error}"))
    }
}

impl From<ProofError> for Refuted {
    fn from(error: ProofError) -> Self {
        Self(format!("a proof in it does not hold: {error}"))
    }
}

impl From<SuccessionError> for Refuted {
    fn from(error: SuccessionError) -> Self {
        Self(format!("the proof that the log has ended does not hold: {error}"))
    }
}

/// Verifies evidence against the log as the caller knows it. Keys, words and names in the file count for nothing.
pub fn verify_finding(file: &EvidenceFile, log: &LogIdentity) -> Verdict {
    let verdict = match &file.evidence {
        Evidence::None {} => Ok(observed("it contains nothing that can be checked")),
        Evidence::Note { note } => note_verdict(file.kind, note, log),
        Evidence::TwoHeads { known, served } => two_heads(file.kind, known, served, log),
        Evidence::AfterRetirement { end, served } => after_retirement(file.kind, end, served, log),
        Evidence::Prefix { old, new, prefix_root, proof } => {
            prefix(file.kind, [old, new], *prefix_root, proof, log)
        }
        Evidence::Entries { checkpoint, runs, stream_range } => {
            entries(file, checkpoint, runs, stream_range, log)
        }
        Evidence::Bundle { checkpoint, first, leaves, left, right, served } => {
            let proof = RangeProof::from_parts(left.clone(), right.clone());
            proof
                .map_err(Refuted::from)
                .and_then(|proof| served_bundle(file.kind, checkpoint, (*first, leaves, &proof), served, log))
        }
        Evidence::Object { checkpoint, served } => object(checkpoint, served.as_ref(), log),
    };
    verdict.unwrap_or_else(|Refuted(reason)| Verdict::Refuted { reason })
}

fn observed(reason: &str) -> Verdict {
    Verdict::Observed { reason: format!("observed, not provable: {reason}") }
}

fn proven(statement: impl Into<String>, log: &LogIdentity, checkpoints: &[&SignedCheckpoint]) -> Verdict {
    let cosigned = checkpoints.iter().all(|checkpoint| cosignatures(checkpoint, log).quorum);
    Verdict::Proven { statement: statement.into(), cosigned }
}

/// A note lacks signatures, possibly because its recipient removed them.
fn note_verdict(kind: FindingKind, note: &str, log: &LogIdentity) -> Result<Verdict, Refuted> {
    let opened = open(note, log);
    let fits = match (&opened, kind) {
        (Err(_), FindingKind::MissingCheckpoint) => note.is_empty(),
        (Err(error), _) => fault(error) == kind,
        (Ok(signed), FindingKind::ForgedCosignature) => !cosignatures(signed, log).forged.is_empty(),
        (Ok(signed), FindingKind::MissingQuorum) => !cosignatures(signed, log).quorum,
        (Ok(signed), FindingKind::ImpossibleSize) => {
            return Ok(impossible_size(signed.head().size.get()));
        }
        (Ok(_), FindingKind::StaleCheckpoint) => true,
        (Ok(_), _) => false,
    };
    if fits {
        Ok(observed("the note is as described; that the log served it rests on the auditor's word"))
    } else {
        Err(Refuted(format!("the note does not show a {kind}")))
    }
}

/// That the log signed it is proven; that no log can have so many entries is the reader's judgement.
fn impossible_size(size: u64) -> Verdict {
    observed(&format!(
        "the log signed a tree of {size} entries; whether it can have them is for the reader to judge"
    ))
}

fn two_heads(kind: FindingKind, known: &str, served: &str, log: &LogIdentity) -> Result<Verdict, Refuted> {
    let (known, served) = (open(known, log)?, open(served, log)?);
    let (old, new) = (known.head(), served.head());
    // SPEC: a log must not sign two checkpoints between which there is no consistency proof; of one size, they are equal.
    if old.size == new.size && old.root != new.root {
        let statement = format!("the log signed two trees of size {} with different roots", old.size);
        return Ok(proven(statement, log, &[&known, &served]));
    }
    match kind {
        FindingKind::ShrunkenLog | FindingKind::StaleCheckpoint if new.size < old.size => Ok(observed(
            "the log did sign both checkpoints; that it served the smaller one later rests on the auditor's word",
        )),
        FindingKind::InconsistentHeads if new.size != old.size => {
            Ok(observed("the log did sign both; the two alone cannot show that no proof joins them"))
        }
        _ => Err(Refuted("the two checkpoints do not contradict each other".to_owned())),
    }
}

/// SPEC: nothing follows a retirement. The log's key and its successor's signed the retirement, and the log's key still signed a larger head.
fn after_retirement(
    kind: FindingKind,
    end: &str,
    served: &str,
    log: &LogIdentity,
) -> Result<Verdict, Refuted> {
    let end = RetirementProof::open(end.as_bytes())?;
    if !log.keys.contains(&end.retirement().log) {
        return Err(Refuted("the proof of an end in it is that of another log".to_owned()));
    }
    let (last, served) = (open(end.checkpoint(), log)?, open(served, log)?);
    let (size, more) = (end.head().size, served.head().size);
    if kind != FindingKind::HeadAfterRetirement || more <= size {
        return Err(Refuted("the checkpoint is not beyond the end of the log".to_owned()));
    }
    let statement = format!(
        "the log ended with {size} entries, as its key and that of its successor signed, and its key signed a tree of {more}"
    );
    // A thief signs without witnesses, so only the end has to be cosigned.
    Ok(proven(statement, log, &[&last]))
}

fn prefix(
    kind: FindingKind,
    notes: [&str; 2],
    prefix_root: Hash,
    proof: &[Hash],
    log: &LogIdentity,
) -> Result<Verdict, Refuted> {
    let [old, new] = notes.map(|note| open(note, log));
    let (old, new) = (old?, new?);
    let (size, signed_root) = (old.head().size, old.head().root);
    let proof = ConsistencyProof::from_hashes(proof.to_vec())?;
    proof.verify(&TreeHead { size, root: prefix_root }, &new.head())?;
    if prefix_root == signed_root || kind != FindingKind::InconsistentHeads {
        return Err(Refuted("the newer tree does contain the older one".to_owned()));
    }
    let statement = format!(
        "the log signed root {signed_root} for size {size}, and a tree of size {} whose first {size} entries \
         have root {prefix_root}",
        new.head().size
    );
    Ok(proven(statement, log, &[&old, &new]))
}

fn entries(
    file: &EvidenceFile,
    checkpoint: &str,
    runs: &[ProvenRun],
    stream_range: &[Hash],
    log: &LogIdentity,
) -> Result<Verdict, Refuted> {
    let signed = open(checkpoint, log)?;
    let count: usize = runs.iter().map(|run| run.entries.len()).sum();
    if count > MAX_EVIDENCE_ENTRIES {
        return Err(Refuted(format!("it holds {count} entries, more than {MAX_EVIDENCE_ENTRIES}")));
    }
    let mut entries = BTreeMap::new();
    for run in runs {
        verify_run(run, &signed.head())?;
        entries.extend((run.first..).zip(run.entries.iter().map(Vec::as_slice)));
    }
    let rule = BrokenRule { log, entries: &entries, stream_range };
    match rule.check(file.kind, &file.place) {
        Some(statement) => Ok(proven(statement, log, &[&signed])),
        // All of it is in the log, and nothing speaks against the finding; but what would show it is not there.
        None if rule.genesis().is_none() => Ok(observed(
            "the entries are in the log; the file has no genesis entry, which would show that Vouchlog's rules apply",
        )),
        None if rule.is_of_unknown_kind(file.kind, &file.place) => Ok(observed(
            "the entry is in the log, and is of a kind that this version does not know; a newer one may",
        )),
        None if file.kind == FindingKind::SilentStream => {
            Ok(observed("the entries are in the log; only the whole log can show that others are missing"))
        }
        None if rule.is_about_absence(file.kind) => {
            Ok(observed("the entries are in the log; the part between them is too large for a file"))
        }
        None => Err(Refuted(format!("its entries are in the log, but show no {}", file.kind))),
    }
}

/// Checks that the tree under `head` has the entries of a run where it says.
pub(crate) fn verify_run(run: &ProvenRun, head: &TreeHead) -> Result<(), ProofError> {
    let leaves: Vec<Hash> = run.entries.iter().map(|entry| leaf_hash(entry)).collect();
    let proof = RangeProof::from_parts(run.left.clone(), run.right.clone())?;
    proof.verify(LeafIndex::new(run.first), &leaves, head.size, &head.root)
}

fn served_bundle(
    kind: FindingKind,
    checkpoint: &str,
    (first, leaves, proof): (u64, &[Hash], &RangeProof),
    served: &ServedBytes,
    log: &LogIdentity,
) -> Result<Verdict, Refuted> {
    let head = open(checkpoint, log)?.head();
    proof.verify(LeafIndex::new(first), leaves, head.size, &head.root)?;
    check_served(served)?;
    if served.bytes.is_empty() && served.length > 0 {
        return Ok(observed("the file has only the hash of the bytes served"));
    }
    let (entries, rest) = bundle::readable_entries(&served.bytes, leaves.len() + 1);
    match bundle::compare(leaves, &bundle::leaves(&entries), rest) {
        Some(fault) if fault.kind == kind => Ok(observed(
            "these bytes are not the entries that the log signed; that it served them rests on the auditor's word",
        )),
        _ => Err(Refuted(format!("the bytes served show no {kind}"))),
    }
}

fn object(checkpoint: &str, served: Option<&ServedBytes>, log: &LogIdentity) -> Result<Verdict, Refuted> {
    open(checkpoint, log)?;
    served.map_or(Ok(()), check_served)?;
    Ok(observed("no signature covers what a log serves or fails to serve"))
}

fn check_served(served: &ServedBytes) -> Result<(), Refuted> {
    let is_whole = served.length == served.bytes.len() as u64 && served.sha256 == sha256(&served.bytes);
    if is_whole || served.bytes.is_empty() && served.length > 0 {
        return Ok(());
    }
    Err(Refuted("the bytes served do not match the hash".to_owned()))
}
