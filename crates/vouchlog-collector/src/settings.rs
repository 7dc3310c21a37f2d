//! The settings of a collector, and what its operator declares about the sources.

use std::fmt;
use std::str::FromStr;

use jiff::SignedDuration;
use serde::{Deserialize, Serialize};
use vouchlog_record::Profile;

use crate::assemble;
use crate::limits::MIN_FREE_BYTES;

/// What happens when something cannot be recorded. It is a choice of the deployment, and on record.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// Nothing goes on: intents are answered when the log has them, and outcomes must cite one. For gateways that ask before they
    /// act.
    FailClosed,
    /// It waits on disk. When the disk's budget is used up, emitters are asked to retry later.
    #[default]
    Spool,
    /// The business goes on: what there is no room for is taken, dropped, and declared as lost.
    FailOpen,
}

impl Mode {
    /// As it stands on the command line and in records.
    pub const fn name(self) -> &'static str {
        match self {
            Self::FailClosed => "fail_closed",
            Self::Spool => "spool",
            Self::FailOpen => "fail_open",
        }
    }
}

impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Mode {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        let all = [Self::FailClosed, Self::Spool, Self::FailOpen];
        all.into_iter()
            .find(|mode| mode.name() == name)
            .ok_or_else(|| format!("`{name}` is not a mode: use fail_closed, spool or fail_open"))
    }
}

/// How a collector is set. It is logged as configuration whenever it changes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// What happens when something cannot be recorded.
    pub mode: Mode,
    /// Most bytes that wait on disk to be recorded.
    pub disk_budget: u64,
    /// Nothing is taken while the file system of the journal has less room than this, in bytes.
    pub min_free_bytes: u64,
    /// When a trace is done.
    pub assemble: assemble::Config,
    /// A session is over when nothing came for so long.
    pub session_idle: SignedDuration,
    /// An intent has no outcome if none came for so long.
    pub intent_timeout: SignedDuration,
    /// Interval between the collector's heartbeats.
    pub heartbeat: SignedDuration,
    /// The operator's word that no source leaves interactions out. Telemetry itself cannot say so.
    pub unsampled: bool,
    /// How much evidence is asked of records that do not say.
    pub profile: Option<Profile>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            mode: Mode::default(),
            disk_budget: 4 * 1024 * 1024 * 1024,
            min_free_bytes: MIN_FREE_BYTES,
            assemble: assemble::Config::default(),
            session_idle: SignedDuration::from_mins(30),
            intent_timeout: SignedDuration::from_mins(15),
            heartbeat: SignedDuration::from_secs(30),
            unsampled: false,
            profile: None,
        }
    }
}
