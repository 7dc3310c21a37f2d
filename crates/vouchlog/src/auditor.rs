//! The auditor's side of a log: verify all of it, and keep evidence of every fault.
//!
//! ```no_run
//! use vouchlog::auditor::{Config, LogIdentity, TileReader, audit};
//!
//! # async fn run(log: LogIdentity) -> Result<(), Box<dyn std::error::Error>> {
//! let reader = TileReader::http("https://log.example.com")?;
//! let audited = audit(reader, &Config::new(log), None, |step| println!("{} of {}", step.done, step.total)).await?;
//! print!("{}", audited.report);
//! # Ok(())
//! # }
//! ```

pub use vouchlog_api::CachingReader;
pub use vouchlog_auditor::{
    AnnouncedPruning, AuditError, AuditReport, AuditState, Audited, Checked, CheckpointReport, Completeness,
    CompletenessError, CompletenessProof, Config, EntryRules, Evidence, EvidenceError, EvidenceFile, Finding,
    FindingKind, LogIdentity, Options, Place, Proves, SampleError, Severity, StateError, Step, StreamReport,
    Verdict, audit, check_sample, prove_complete, sample, verify_completeness, verify_finding,
};
pub use vouchlog_auditor::{canaries, monitor};
pub use vouchlog_client::{TileReader, VerifiedLog};
