//! The recorder: what makes a record evidence. Start here; one function is the whole way of a record.
//!
//! ```text
//! record ─► grade ─► state (SD-JWT, signed with the stream's key) ─► keep (vault, durable) ─► submit (spool, durable) ─► log
//!                                                                       │ receipt ◄───────────────────────────────────────┘
//! ```
//!
//! A record is kept before its digest leaves, so there is no digest in the log without the record it stands for. A record that was
//! kept and not submitted, because the process died in between or the spool had no room, is submitted by the next call that
//! brings it again, or by [`Recorder::resume`] (recorder/resuming.rs); neither submits a statement twice.

use std::fmt;
use std::sync::Arc;

use jiff::Timestamp;
use parking_lot::RwLock;
use serde_json::{Map, Value};
use tokio::sync::RwLock as AsyncRwLock;
use tracing::{Instrument, Span};
use vouchlog_api::{AnySubmitter, StreamSigner, Submitter};
use vouchlog_grading::{Context, Grade, RULES_VERSION, grade};
use vouchlog_record::{Facet, Record, RecordId};
use vouchlog_statement::{ClearClaims, digest_of, issue_to_keep};
use vouchlog_stream::{Digest, Statement, StatementKind, StreamId};

use crate::limits::{MAX_CALL_BYTES, MAX_FACETS, MAX_VALUE_BYTES};
use crate::parts::Parts;
use crate::recording_error::RecordingError;
use crate::{Access, KeepRecord, Vault, VaultError};

mod casework;
mod deciding;
mod erasing;
mod holding;
mod reading;
mod repeating;
mod resuming;
mod retention;

use repeating::{Known, KnownRecords, comparable};
use retention::retention;

pub use erasing::Erased;
pub use reading::{PresentationRequest, ReadRecord, learn, people_named, read_facts};

/// Records of one call to the vault.
const BATCH: usize = 256;
/// Bytes of one: with the largest record that may come last, no more than the vault takes.
const BATCH_BYTES: usize = MAX_CALL_BYTES / 2;
/// Records that one disclosure or erasure names, and is found by.
const RECORDS_PER_EVENT: usize = 500;

/// What a recorder is opened with.
pub struct RecorderConfig {
    /// Whose records they are, unless they say.
    pub tenant: String,
    /// Name of the gateway's enrolled key: the issuer of every statement.
    pub issuer: String,
    /// The time.
    pub clock: fn() -> Timestamp,
    /// 16 fresh random bytes at each call, for the names of records that have none.
    pub randomness: fn() -> [u8; 16],
}

/// A record that is kept.
#[derive(Clone, Debug)]
pub struct Recorded {
    /// Its name.
    pub id: RecordId,
    /// What is logged for it.
    pub digest: Digest,
    /// What it was found to hold; `None` for a record that was not recorded now: it was before, or it is a conflict.
    pub grade: Option<Grade>,
    /// Whether its id was given to a record with other content before, so that this one is not recorded.
    pub is_conflict: bool,
}

/// A batch on its way into the vault.
#[derive(Default)]
struct StatedBatch {
    recorded: Vec<Recorded>,
    kept: Vec<KeepRecord>,
    /// Those of `recorded` that the vault had before.
    known: Vec<RecordId>,
    /// What is in `kept`, for comparing it with what comes under the same id.
    under_way: KnownRecords,
    /// When, in milliseconds since 1970.
    now: i64,
}

/// A record, graded and signed.
struct StatedRecord {
    keep: KeepRecord,
    grade: Grade,
    /// What was signed.
    object: Map<String, Value>,
}

/// Grades, states, keeps and submits records, and is the only way to their content. Clones are the same recorder.
#[derive(Clone)]
pub struct Recorder(Arc<Inner>);

struct Inner {
    vault: Vault,
    access: Access,
    submitter: AnySubmitter,
    config: RecorderConfig,
    /// What earlier records said that later ones are judged by.
    context: RwLock<Context>,
    /// Read-locked between keeping and submitting; write-locked to submit what other recorders left.
    between: AsyncRwLock<()>,
}

impl fmt::Debug for Recorder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Recorder").field("issuer", &self.0.config.issuer).finish_non_exhaustive()
    }
}

impl Recorder {
    /// Opens a recorder on a vault, and learns what earlier credential events and configurations said. What an earlier process left
    /// is taken up by [`resume`](Self::resume).
    ///
    /// `access` is the recorder's own; readers and erasers bring theirs. From then on, records that are read in
    /// this process without a key of their own get their stand-ins for secrets under the tenant's key: equal secrets stand alike in all
    /// records of the tenant.
    pub async fn open(
        vault: Vault,
        access: Access,
        submitter: AnySubmitter,
        config: RecorderConfig,
    ) -> Result<Self, RecordingError> {
        // The log lets no other key than an enrolled one open the streams that statements are signed for.
        let context = reading::learn(&vault, &access).await?;
        let context = context.recorder_key_in_force(&config.issuer, Timestamp::MIN, None);
        vault.redaction_key_of(&access, &config.tenant).await?.use_in_process();
        let (context, between) = (RwLock::new(context), AsyncRwLock::new(()));
        Ok(Self(Arc::new(Inner { vault, access, submitter, config, context, between })))
    }

    /// The vault.
    pub fn vault(&self) -> &Vault {
        &self.0.vault
    }

    /// Records: when this returns they are durable in the vault, and their digests in the spool. A record whose id the vault has
    /// already is not recorded again: ids are for retries. If its statement was not submitted yet, it is now. If it says something else
    /// than the record that has its id, it is a conflict, and reported as one ([`Recorded::is_conflict`]).
    pub async fn record(&self, mut records: Vec<Record>) -> Result<Vec<Recorded>, RecordingError> {
        self.record_all(&mut records).await
    }

    /// The same for a caller who wants to try again: the records have their names afterwards, whatever became of them.
    #[tracing::instrument(name = "record", skip_all, fields(tenant = self.0.config.tenant, stream, records = records.len()))]
    pub async fn record_all(&self, records: &mut [Record]) -> Result<Vec<Recorded>, RecordingError> {
        let signer = self.0.submitter.signer().await.map_err(RecordingError::NoStream)?;
        Span::current().record("stream", signer.stream.get());
        let mut recorded = Vec::with_capacity(records.len());
        let mut stated = StatedBatch::default();
        let mut rest = records;
        while !rest.is_empty() {
            let under_way = std::mem::take(&mut stated.under_way);
            // A batch is stated while the one before is sealed and written, on another processor if there is one; they are kept
            // and submitted in their order.
            let recorder = self.clone();
            let stream = signer.stream;
            let keeping = tokio::spawn(async move { recorder.keep(stream, stated).await }.in_current_span());
            let (kept, next) = tokio::join!(keeping, self.state_batch(&signer, rest, under_way));
            recorded.extend(kept.map_err(|_| VaultError::Closed)??);
            stated = next?;
            rest = &mut rest[stated.recorded.len()..];
        }
        recorded.extend(self.keep(signer.stream, stated).await?);
        Ok(recorded)
    }

    /// States the first of some records, as many as make a batch, but for those that the vault has or the batch before.
    async fn state_batch(
        &self,
        signer: &StreamSigner,
        records: &mut [Record],
        under_way: KnownRecords,
    ) -> Result<StatedBatch, RecordingError> {
        let now = (self.0.config.clock)();
        let most = records.len().min(BATCH);
        let records = &mut records[..most];
        let named: Vec<RecordId> = records.iter().filter_map(|record| record.id.clone()).collect();
        let kept = self.0.vault.kept(&self.0.access, &named).await?;
        let mut known: KnownRecords =
            kept.into_iter().map(|(id, digest)| (id, Known::Kept(digest))).collect();
        known.extend(under_way);
        let mut stated = StatedBatch { now: now.as_millisecond(), ..StatedBatch::default() };
        let mut bytes = 0;
        for record in records {
            let id = record.id.get_or_insert_with(|| RecordId::from_random((self.0.config.randomness)()));
            let id = id.clone();
            // The same name twice in a batch is one record, too.
            if let Some(earlier) = known.get(&id).or_else(|| stated.under_way.get(&id)) {
                let is_conflict = self.contradicts(record, earlier).await?;
                let digest = match earlier {
                    Known::Kept(digest) => {
                        stated.known.push(id.clone());
                        *digest
                    }
                    Known::UnderWay(digest, _) => *digest,
                };
                stated.recorded.push(Recorded { id, digest, grade: None, is_conflict });
                continue;
            }
            let StatedRecord { keep, grade, object } = self.state(&id, record, signer, now)?;
            let under_way = Known::UnderWay(keep.digest, comparable(object, keep.kind));
            stated.under_way.insert(id.clone(), under_way);
            stated.recorded.push(Recorded {
                id,
                digest: keep.digest,
                grade: Some(grade),
                is_conflict: false,
            });
            bytes += keep.bytes();
            stated.kept.push(keep);
            if bytes >= BATCH_BYTES {
                break;
            }
        }
        Ok(stated)
    }

    /// Keeps what is stated, and submits it; and what was kept by an earlier call that could not submit it.
    async fn keep(&self, present: StreamId, stated: StatedBatch) -> Result<Vec<Recorded>, RecordingError> {
        let StatedBatch { recorded, kept, known, now, under_way: _ } = stated;
        self.submit_kept(present, &known).await?;
        let statements: Vec<Statement> = kept.iter().map(KeepRecord::statement).collect();
        if statements.is_empty() {
            return Ok(recorded);
        }
        let _between = self.0.between.read().await;
        self.0.vault.keep(&self.0.access, kept, now).await?;
        self.0.submitter.submit(statements).await.map_err(RecordingError::NotSubmitted)?;
        Ok(recorded)
    }

    /// Grades a record and makes its statement.
    fn state(
        &self,
        id: &RecordId,
        record: &mut Record,
        signer: &StreamSigner,
        now: Timestamp,
    ) -> Result<StatedRecord, RecordingError> {
        let config = &self.0.config;
        let time = record.body.time.get_or_default();
        if time.received.is_absent() {
            time.received = now.into();
        }
        let started = time.start.value().or(time.received.value()).copied().unwrap_or(now);
        record.body.custody.get_or_default().recorder = config.issuer.clone().into();
        let grade = grade(record, &self.0.context.read());
        self.0.context.write().learn(id, record);
        let claims = ClearClaims {
            issuer: config.issuer.clone(),
            // A clock before 1970 is wrong, and what it says cannot be stated.
            issued_at: u64::try_from(now.as_second()).unwrap_or(0),
            record: id.clone(),
            kind: record.kind,
            stream: signer.stream,
            evidence: grade.evidence,
            rules: RULES_VERSION.to_owned(),
        };
        let mut object = record.to_object();
        // Already among the clear claims, which cannot be left out.
        for clear in ["id", "kind"] {
            object.remove(clear);
        }
        let (issued, concealment) = issue_to_keep(&claims, &object, &signer.key)
            .map_err(|error| RecordingError::Statement { record: id.clone(), error })?;
        let refused =
            |why: String| RecordingError::Refused { record: id.clone(), error: VaultError::invalid(why) };
        let parts = Parts::split(issued.disclosures);
        let keep = KeepRecord {
            id: id.clone(),
            kind: record.kind,
            tenant: config.tenant.clone(),
            stream: signer.stream,
            evidence: grade.evidence,
            digest: digest_of(&issued.jwt),
            jwt: issued.jwt,
            metadata: parts
                .metadata(&object, concealment)
                .map_err(|error| refused(format!("record {id}: its metadata: {error}")))?,
            content: parts
                .content()
                .map_err(|error| refused(format!("record {id}: its content: {error}")))?,
            facets: facets(record, &grade, &config.issuer),
            subjects: record.subjects(),
            started_at: started.as_millisecond(),
            retention: retention(record, started, now),
            amends: record
                .body
                .correlation
                .value()
                .and_then(|correlation| correlation.amends.value())
                .cloned(),
        };
        keep.check().map_err(|error| RecordingError::Refused { record: id.clone(), error })?;
        Ok(StatedRecord { keep, grade, object })
    }

    /// Waits until the log has everything that was recorded, and the vault the receipts.
    pub async fn flush(&self) -> Result<(), RecordingError> {
        self.0.submitter.flush().await.map_err(RecordingError::NotSubmitted)
    }

    fn now(&self) -> Timestamp {
        (self.0.config.clock)()
    }

    fn new_id(&self) -> RecordId {
        RecordId::from_random((self.0.config.randomness)())
    }

    /// An event of the vault's own, put on record.
    fn event(&self, kind: StatementKind) -> Record {
        let mut record = Record::new(kind);
        record.body.time.get_or_default().start = self.now().into();
        record
    }
}

/// What a record is found by: what it says, what it was found to be, and whose it is.
fn facets(record: &Record, grade: &Grade, issuer: &str) -> Vec<(Facet, String)> {
    let mut facets = record.facets();
    // An erasure may name more records than a record may have facets; each of those has the erasure in its tombstone.
    let mut referred = 0;
    facets.retain(|(facet, _)| {
        referred += usize::from(*facet == Facet::Refers);
        *facet != Facet::Refers || referred <= RECORDS_PER_EVENT
    });
    facets.push((Facet::Gateway, issuer.to_owned()));
    for (name, answer) in grade.verdicts.answers() {
        facets.push((Facet::Verdict, format!("{name}:{answer}")));
    }
    facets.extend(grade.findings.iter().map(|finding| (Facet::Finding, finding.rule.code.to_owned())));
    facets.sort();
    facets.dedup();
    // Texts this long, and tools beyond the thousandth, are not searchable; the record keeps them.
    facets.retain(|(_, value)| value.len() <= MAX_VALUE_BYTES);
    facets.truncate(MAX_FACETS);
    facets
}
