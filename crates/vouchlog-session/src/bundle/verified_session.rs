//! A session whose bundle verified: what it shows, what rests on the sender's word, and its timeline.

use std::collections::{BTreeMap, BTreeSet};

use vouchlog_grading::{Finding, Grade};
use vouchlog_record::{Record, RecordId};
use vouchlog_statement::{KeyStatus, KeyTrust, VerifiedPresentation};
use vouchlog_stream::LogPlace;

use crate::input::{ErasedAt, ProofState, SessionContext, SessionRecord};
use crate::numbers::count;
use crate::plain::plain;
use crate::timeline::Timeline;

/// One verified presentation, and the record as far as it is disclosed.
#[derive(Clone, Debug)]
pub struct DisclosedRecord {
    /// What verified.
    pub presentation: VerifiedPresentation,
    /// The record: what was not disclosed is absent.
    pub record: Record,
    /// The same to be judged: what was not disclosed is withheld.
    pub(super) judged: Record,
    /// Whether something may not have been disclosed. Padding looks like it, so that this is `true` of most whole records, too.
    pub partial: bool,
    /// Findings and verdicts on what is disclosed; none for an erasure.
    pub grade: Option<Grade>,
}

impl DisclosedRecord {
    /// The session named in it, if disclosed.
    pub fn session(&self) -> Option<&str> {
        self.record.body.correlation.value()?.session.value().map(String::as_str)
    }

    fn id(&self) -> &RecordId {
        &self.presentation.statement.claims.record
    }

    fn has_number(&self) -> bool {
        self.record.body.correlation.value().is_some_and(|it| it.session_sequence.value().is_some())
    }
}

/// A session whose bundle verified.
#[derive(Clone, Debug)]
pub struct VerifiedSession {
    /// Its name, as given by the sender.
    pub session: String,
    /// The disclosed fields, as given by the sender.
    pub fields: Vec<String>,
    /// The number of records, as given by the sender, without the seal.
    pub known: u64,
    pub(super) has_policy: bool,
    /// The records.
    pub records: Vec<DisclosedRecord>,
    /// The seal.
    pub seal: Option<DisclosedRecord>,
    /// Erasures of these records, as given by the sender.
    pub erasures: Vec<DisclosedRecord>,
    /// What gateways claimed in public and the disclosed fields contradict.
    pub findings: Vec<Finding>,
}

impl VerifiedSession {
    pub(super) fn all(&self) -> impl Iterator<Item = &DisclosedRecord> {
        self.records.iter().chain(&self.seal).chain(&self.erasures)
    }

    /// What the reader must know beyond the records: above all, what rests on the sender's word.
    pub fn notes(&self) -> Vec<String> {
        let of = self.records.len();
        let without =
            |lacks: &dyn Fn(&DisclosedRecord) -> bool| self.records.iter().filter(|one| lacks(one)).count();
        let mut notes = vec![if self.fields.is_empty() {
            "This report was made from a session bundle. The sender lists no disclosed fields.".to_owned()
        } else {
            format!(
                "This report was made from a session bundle. The sender lists these disclosed fields: {}.",
                self.fields.join(", ")
            )
        }];
        match without(&|one| one.session().is_none()) {
            0 => {}
            n => notes.push(format!(
                "{n} of {of} records do not disclose their session: that they belong to this one rests on the sender's word."
            )),
        }
        match without(&|one| !one.has_number()) {
            0 => {}
            n => notes.push(format!(
                "{n} of {of} records do not disclose their number in the session: beyond the order of the log, their order rests on the sender's word."
            )),
        }
        match &self.seal {
            None => notes.push(format!(
                "There is no seal: the number of records in the session ({}) rests on the sender's word.",
                self.known
            )),
            Some(seal) if seal.session().is_none() => {
                notes.push("The seal does not disclose its session: that it belongs to this one rests on the sender's word.".to_owned());
            }
            Some(_) => {}
        }
        self.key_notes(&mut notes);
        if !self.has_policy {
            notes.push("No witness policy was given: a log that shows different histories to different readers would not be detected.".to_owned());
        }
        notes
    }

    /// Whose word the gateways' keys rest on, and what is shown of their revocation.
    fn key_notes(&self, notes: &mut Vec<String>) {
        let mut seen = BTreeSet::new();
        for one in self.all().map(|one| &one.presentation) {
            let key = &one.gateway;
            let whose = match &one.trust {
                KeyTrust::Operator => "by the word of the log's operator, who enrolled it".to_owned(),
                KeyTrust::Pinned => "which the reader trusts".to_owned(),
                KeyTrust::RotatedFrom(old) => {
                    format!("handed over by the key {}, which the reader trusts", old.id())
                }
            };
            let status = match &one.status {
                KeyStatus::Unknown => {
                    "Revocation status not included: the key may have been revoked. An audit of the log shows it."
                        .to_owned()
                }
                KeyStatus::NotKnownRevoked { as_of } => format!(
                    "It is not known to be revoked as of the checkpoint of {}, by the word of the sender.",
                    count(as_of.get(), "entry", "entries")
                ),
                KeyStatus::RevokedLater(revoked) => format!(
                    "It WAS REVOKED at index {} ({}); the records were logged before the time that the revocation names and stay attributable.",
                    revoked.index,
                    plain(&revoked.reason)
                ),
            };
            let note = format!(
                "The gateway {} has the key {}, {whose}. {status}",
                plain(key.name().as_str()),
                key.id()
            );
            if seen.insert(note.clone()) {
                notes.push(note);
            }
        }
    }

    /// The session's timeline, as far as it is disclosed.
    pub fn timeline(&self) -> Timeline {
        let erased = self.erased();
        let records = self.records.iter().chain(&self.seal);
        let records = records.map(|one| session_record(one, erased.get(one.id()).cloned())).collect();
        let known = SessionContext {
            findings: self.findings.clone(),
            held: Some(self.known),
            notes: self.notes(),
            ..SessionContext::default()
        };
        Timeline::of(&self.session, records, &known)
    }

    /// What erasures say of each record.
    fn erased(&self) -> BTreeMap<&RecordId, ErasedAt> {
        let mut erased = BTreeMap::new();
        for one in &self.erasures {
            let Some(erasure) = one.record.body.erasure.value() else { continue };
            let at = one.record.body.time.value().and_then(|time| time.start.value()).copied();
            for record in erasure.records.value().into_iter().flatten() {
                let basis = erasure.basis.value().cloned();
                erased.entry(record).or_insert(ErasedAt { at, entry: Some(one.presentation.index), basis });
            }
        }
        erased
    }
}

fn session_record(one: &DisclosedRecord, erased: Option<ErasedAt>) -> SessionRecord {
    let VerifiedPresentation { entry, index, witnesses, witnessed_until, .. } = &one.presentation;
    let by: Vec<String> = witnesses.iter().map(|witness| witness.name().to_string()).collect();
    SessionRecord {
        id: one.id().clone(),
        record: one.record.clone(),
        place: Some(LogPlace {
            index: *index,
            stream: entry.stream,
            sequence: entry.sequence,
            logged_at: entry.logged_at,
        }),
        proof: if by.is_empty() {
            ProofState::Signed
        } else {
            ProofState::Witnessed { by, until: *witnessed_until }
        },
        grade: one.grade.clone(),
        erased,
        content_shown: true,
        partial: one.partial,
    }
}
