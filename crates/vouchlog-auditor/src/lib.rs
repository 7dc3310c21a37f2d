//! Verifies a whole log, names and locates what is wrong, and keeps the evidence.
//!
//! In scope: [`audit`] walks any C2SP tlog-tiles log, checks every object its checkpoint implies, and in a log of this
//! project every rule of the entries; an [`AuditReport`] lists [`Finding`]s, each with an [`EvidenceFile`] that
//! [`verify_finding`] checks offline; an [`AuditState`] lets the next audit go on where the last one ended;
//! [`prove_complete`] makes a file that shows a stream to be complete, [`verify_completeness`] checks it; [`sample`] draws
//! entries drawn at random.
//!
//! [`monitor`] remembers which findings were reported; [`canaries`] remembers statements that were planted in a log.
//!
//! Out of scope: how a log is reached (any [`vouchlog_api::LogReader`]; `vouchlog-client` has readers for HTTP and
//! directories), where states and files are kept, randomness, and the clock: callers pass those.
//!
//! *Invariant: a finding carries what proves it*, or says that it is an observation.
//!
//! ```no_run
//! # async fn example(reader: impl vouchlog_api::LogReader, log: vouchlog_auditor::LogIdentity)
//! # -> Result<(), vouchlog_auditor::AuditError> {
//! use vouchlog_auditor::{Config, audit};
//!
//! let audited = audit(reader, &Config::new(log), None, |step| println!("{} of {}", step.done, step.total)).await?;
//! print!("{}", audited.report);
//! # Ok(())
//! # }
//! ```

mod config;

mod audit;
mod heads;
mod walk;

mod bundle;
mod checkpoint;
mod edge;
mod fetch;
mod rules;
mod tiles;

mod finding;
mod kind;
mod place;
mod report;
mod state;

mod completeness;
mod evidence;
mod proving;
mod pruning;
mod sample;

pub mod canaries;
pub mod monitor;

mod encoding;
pub mod limits;

pub use audit::{AuditError, Audited, Step, audit};
pub use completeness::{
    BaseHead, CompleteStream, Completeness, CompletenessError, CompletenessProof, DeclaredLoss, StreamProof,
    Streams, prove_complete, verify_completeness,
};
pub use config::{Config, EntryRules, LogIdentity, Options};
pub use evidence::{Evidence, EvidenceError, EvidenceFile, ProvenRun, ServedBytes};
pub use finding::Finding;
pub use kind::{FindingKind, Proves, Severity};
pub use place::Place;
pub use proving::{Verdict, contradiction, verify_finding};
pub use pruning::{AnnouncedPruning, announced_pruning};
pub use report::{
    AuditReport, Checked, CheckpointReport, GatewayReport, OperatorReport, PredecessorReport, QuotaReport,
    RetirementReport, StreamReport, WitnessRotationReport,
};
pub use sample::{SampleError, check_sample, sample};
pub use state::{AuditState, StateError};
