//! How a command ends when it stops early: with a finding about the log, or with an error.

use vouchlog::gateway::GatewayError;

use super::spooling::advise;
use crate::output::{Outcome, Output};

/// Why a command stopped.
pub(super) enum Failed {
    /// The log did not prove what it should have.
    Finding(String),
    /// Anything else.
    Error(anyhow::Error),
}

impl Failed {
    /// Ends the command with it.
    pub(super) fn end(self, output: Output) -> anyhow::Result<Outcome> {
        match self {
            Self::Error(error) => Err(error),
            Self::Finding(finding) => output.refuse(&finding),
        }
    }

    /// A gateway's error: a finding if the log broke its promise.
    pub(super) fn of(error: GatewayError) -> Self {
        match error {
            GatewayError::Misbehaviour(_) | GatewayError::Receipt { .. } | GatewayError::Unverified(_) => {
                Self::Finding(error.to_string())
            }
            other => Self::Error(advise(&other)),
        }
    }
}

impl From<anyhow::Error> for Failed {
    fn from(error: anyhow::Error) -> Self {
        Self::Error(error)
    }
}
