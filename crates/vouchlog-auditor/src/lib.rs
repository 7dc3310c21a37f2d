//! Verifies a whole log, names and locates what is wrong, and keeps the evidence.

mod audit;
mod bundle;
mod checkpoint;
mod config;
mod edge;
mod encoding;
mod evidence;
mod fetch;
mod finding;
mod heads;
pub mod limits;
mod report;
mod rules;
mod state;
mod tiles;
mod walk;

pub use audit::{AuditError, Audited, Step, audit};
pub use config::{Config, EntryRules, LogIdentity, Options};
pub use evidence::{Evidence, EvidenceError, EvidenceFile, ProvenRun, ServedBytes, Verdict, verify_finding};
pub use finding::{Finding, FindingKind, Place, Proves, Severity};
pub use report::{AuditReport, Checked, CheckpointReport, StreamReport};
pub use state::{AuditState, StateError};
