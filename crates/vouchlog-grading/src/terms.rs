//! The terms of a rule: how bad what it finds is, what it serves, why it fires, and which records it is asked of.

use std::fmt;

use serde::{Deserialize, Serialize};

/// How bad a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// Good to know.
    Info,
    /// Evidence is weaker than it could be.
    Warn,
    /// Undetermined: the deciding value is missing, withheld, or too imprecise.
    Indeterminate,
    /// Evidence that is asked for is missing or contradicts itself.
    Error,
    /// Something forbidden was done, or something is hidden.
    Critical,
}

impl Severity {
    /// Its name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Info => "info",
            Self::Warn => "warn",
            Self::Indeterminate => "indeterminate",
            Self::Error => "error",
            Self::Critical => "critical",
        }
    }
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// What a rule serves: one of five definitions of good evidence, or that nothing is missing from the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Definition {
    /// Auditable AI interaction.
    Interaction,
    /// Interaction-level audit trail.
    Trail,
    /// Audit trail for identity governance.
    Governance,
    /// Inference-level audit trail.
    Inference,
    /// Identity-linked evidence.
    Identity,
    /// A log that nothing is missing from.
    Completeness,
}

impl Definition {
    /// Every definition.
    pub const ALL: [Definition; 6] = [
        Self::Interaction,
        Self::Trail,
        Self::Governance,
        Self::Inference,
        Self::Identity,
        Self::Completeness,
    ];

    /// Its name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Interaction => "auditable AI interaction",
            Self::Trail => "interaction-level audit trail",
            Self::Governance => "identity-governance audit trail",
            Self::Inference => "inference-level audit trail",
            Self::Identity => "identity-linked evidence",
            Self::Completeness => "nothing is missing",
        }
    }

    /// What it asks for.
    pub const fn sentence(self) -> &'static str {
        match self {
            Self::Interaction => {
                "It can be traced to a user or an agent, with the class of its data, the policy's decision and the outcome."
            }
            Self::Trail => {
                "Prompt, answer, identity, tool calls, policy decisions and overrides stand together in one record."
            }
            Self::Governance => {
                "It shows the workload's own identity, the decision at the time of the request, a short-lived credential, the \
                 chain of tools, the class of data and the outcome."
            }
            Self::Inference => {
                "Beyond the interaction, it names the model that answered and every call that followed from the answer."
            }
            Self::Identity => {
                "It states who authorised the action, which identity executed it, and whether the credential was valid at that \
                 very moment."
            }
            Self::Completeness => {
                "Every record is in the log, once and in order, and a missing record is detected."
            }
        }
    }
}

/// Why a rule fired.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Cause {
    /// What is there is wrong.
    Wrong,
    /// Something that must be there is not.
    Missing,
    /// It is not known whether something is wrong.
    Unknown,
}

/// Which records a rule is asked of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum AskedOf {
    /// Interactions, and intents, which say less.
    Acting,
    /// Interactions.
    Interactions,
    /// Every record.
    Every,
    /// Not of a record: of a set of them and of what a reader of the log knows.
    Set,
}
