//! A session as a timeline: its opened records, how far each is proven, and what is known beside them.

use std::collections::BTreeMap;

use jiff::Timestamp;
use thiserror::Error;
use vouchlog::Policy;
use vouchlog::VerifyingKey;
use vouchlog::verify::{Claim, VerifyError, verify};
use vouchlog_grading::{Context, Finding, SessionFacts, SetFacts, grade_set};
use vouchlog_merkle::LeafIndex;
use vouchlog_note::PolicyCosignature;
use vouchlog_record::{Record, RecordId, RegisteredAgent};
use vouchlog_session::{ErasedAt, Loss, ProofState, SessionContext, SessionRecord, Timeline};
use vouchlog_stream::StatementKind;

use crate::error::DeskError;
use crate::reading::OpenedRecord;
use crate::row::RecordRow;
use crate::sessions::{DeclaredLoss, SessionPage, TaughtRecord};

/// What receipts are judged by.
#[derive(Clone, Copy, Debug, Default)]
pub struct ReceiptJudge<'a> {
    /// The log's key. Without it a receipt is taken for what it states.
    pub log: Option<&'a VerifyingKey>,
    /// The witnesses that count.
    pub policy: Option<&'a Policy>,
}

/// Why a receipt is not believed.
#[derive(Debug, Error)]
pub enum ReceiptError {
    /// The row of the record is malformed.
    #[error(transparent)]
    Row(#[from] DeskError),
    /// It does not verify.
    #[error(transparent)]
    Proof(#[from] VerifyError),
}

impl ReceiptJudge<'_> {
    /// How far it is proven that the log has the record.
    ///
    /// # Errors
    /// The receipt does not prove what it claims: the log's signature, the entry or the path is wrong.
    pub fn state(&self, row: &RecordRow, proof: Option<&str>) -> Result<ProofState, ReceiptError> {
        let (Some(proof), Some(log)) = (proof, self.log) else {
            let waits = row.place.is_none() && proof.is_none();
            return Ok(if waits { ProofState::Waiting } else { ProofState::Signed });
        };
        let digest = row.statement()?.digest;
        let verified = verify(proof.as_bytes(), log, self.policy, Claim::Digest(digest));
        if let (Err(_), Some(_)) = (&verified, self.policy) {
            // A receipt may be older than its cosignatures; the log's signature still has to hold.
            verify(proof.as_bytes(), log, None, Claim::Digest(digest))?;
            return Ok(ProofState::Signed);
        }
        let verified = verified?;
        if self.policy.is_none() {
            return Ok(ProofState::Signed);
        }
        let name =
            |witness: &PolicyCosignature| String::from_utf8_lossy(witness.name().as_bytes()).into_owned();
        Ok(ProofState::Witnessed {
            by: verified.witnesses.iter().map(name).collect(),
            until: verified.witnessed.map(|witnessed| witnessed.until),
        })
    }
}

/// All that a session is drawn from.
#[derive(Debug)]
pub struct DrawnSession<'a> {
    /// Its name.
    pub session: &'a str,
    /// All its pages.
    pub page: SessionPage,
    /// How far each record is proven; a record that is not among them has no proof.
    pub proofs: BTreeMap<RecordId, ProofState>,
    /// What reports about the log find.
    pub log_findings: Vec<Finding>,
    /// What else the reader must know.
    pub notes: Vec<String>,
    /// Whether content was asked for.
    pub content_shown: bool,
    /// The time, by which a session counts as over.
    pub now: Option<Timestamp>,
}

impl DrawnSession<'_> {
    /// Its timeline.
    ///
    /// # Errors
    /// What another process sent is no record.
    pub fn timeline(self) -> Result<Timeline, DeskError> {
        let Self { session, page, proofs, log_findings, notes, content_shown, now } = self;
        let drawn: Vec<SessionRecord> = page
            .records
            .into_iter()
            .map(|opened| {
                let proof = proofs.get(&opened.row.id).cloned().unwrap_or(ProofState::Missing);
                session_record(opened, proof, content_shown)
            })
            .collect::<Result<_, _>>()?;
        let known: Vec<(RecordId, &Record)> =
            drawn.iter().map(|record| (record.id.clone(), &record.record)).collect();
        let mut registry = Context::default();
        for TaughtRecord { id, record } in page.registry {
            let taught = Record::from_value(record.into());
            let taught = taught.map_err(|error| DeskError::Answer(format!("record {id}: {error}")))?;
            registry.learn(&id, &taught.record);
        }
        let is_seal = |record: &&SessionRecord| record.record.kind == StatementKind::SessionSeal;
        let context = SessionContext {
            findings: grade_set(&known, &facts(session, &drawn, now)),
            log_findings,
            losses: page.losses.into_iter().map(loss).collect(),
            agents: registered_agents(&known, &registry),
            held: Some(drawn.iter().filter(|record| !is_seal(record)).count() as u64),
            notes,
            ..SessionContext::default()
        };
        Ok(Timeline::of(session, drawn, &context))
    }
}

fn loss(declared: DeclaredLoss) -> Loss {
    let DeclaredLoss { entry, from, to, count, cause } = declared;
    Loss { entry: entry.map(LeafIndex::new), from, to, count, cause }
}

/// What is known of a session beside its records: whether it is over, and what time it is.
fn facts(session: &str, records: &[SessionRecord], now: Option<Timestamp>) -> SetFacts {
    let last = records.iter().filter_map(SessionRecord::at).max();
    let known = now.zip(last).map(|(now, last)| SessionFacts::by_age(session.to_owned(), last, now));
    SetFacts { sessions: known.into_iter().collect(), now, ..SetFacts::default() }
}

/// What the registry of agents has of those that the records name.
fn registered_agents(
    records: &[(RecordId, &Record)],
    context: &Context,
) -> BTreeMap<String, RegisteredAgent> {
    let named = records.iter().filter_map(|(_, record)| {
        let id = record.body.workload.value()?.agent.value()?.id.value()?;
        Some((id.clone(), context.registered_agent(id)?.clone()))
    });
    named.collect()
}

fn session_record(
    opened: OpenedRecord,
    proof: ProofState,
    content_shown: bool,
) -> Result<SessionRecord, DeskError> {
    let record = opened.record()?;
    let OpenedRecord { row, grade, .. } = opened;
    let erased = row.erased.as_ref().map(|erased| ErasedAt {
        at: Timestamp::from_millisecond(erased.at).ok(),
        entry: erased.index.map(LeafIndex::new),
        basis: Some(erased.basis.clone()),
    });
    let record = match record {
        Some(record) => record,
        None => erased_record(&row)?,
    };
    let place = row.place()?;
    Ok(SessionRecord { id: row.id, record, place, proof, grade, erased, content_shown, partial: false })
}

/// What is left of an erased record: its kind, its name, and about when it was.
fn erased_record(row: &RecordRow) -> Result<Record, DeskError> {
    let mut record = Record::new(row.statement()?.kind);
    record.id = Some(row.id.clone());
    if let Ok(start) = Timestamp::from_millisecond(row.started_at) {
        record.body.time.get_or_default().start = start.into();
    }
    Ok(record)
}
