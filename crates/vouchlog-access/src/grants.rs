//! What a principal may do.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::pattern::Patterns;

/// What a principal may do at a server, telemetry aside.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Role {
    /// Read what a log or a witness publishes.
    Read,
    /// Append to a log's house stream.
    Submit,
    /// Enrol and revoke gateways. It includes `metrics`.
    Administer,
    /// Read metrics.
    Metrics,
    /// Have a witness cosign checkpoints.
    Witness,
}

impl Role {
    /// Every role.
    pub const ALL: [Self; 5] = [Self::Read, Self::Submit, Self::Administer, Self::Metrics, Self::Witness];

    /// As it stands in the file, in metrics and in refusals.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Submit => "submit",
            Self::Administer => "administer",
            Self::Metrics => "metrics",
            Self::Witness => "witness",
        }
    }
}

/// A kind of record that may come from outside a collector. The others are the collector's own account of itself and the vault's:
/// no grant exists for them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RecordKind {
    /// What is about to happen.
    Intent,
    /// What happened. Telemetry becomes records of this kind.
    Interaction,
    /// Which policy, tools, models, guardrails, agents or classes of data are in force.
    Configuration,
    /// A credential was issued, rotated or revoked. It changes the verdict on every record of that credential, so it is the
    /// issuer's to state.
    CredentialEvent,
}

impl RecordKind {
    /// As it stands in the file.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Intent => "intent",
            Self::Interaction => "interaction",
            Self::Configuration => "configuration",
            Self::CredentialEvent => "credential-event",
        }
    }
}

/// What a principal may send to a collector.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct EmitGrants {
    /// Services it may name itself (OpenTelemetry `service.name`, `custody.service`).
    pub services: Patterns,
    /// Sessions and conversations it may write to.
    pub sessions: Patterns,
    /// Kinds of records it may send.
    pub kinds: BTreeSet<RecordKind>,
    /// Sessions it may seal, also when others sent records of them.
    pub seal: Patterns,
    /// Whether it may seal sessions of which it alone sent records.
    pub seal_own: bool,
}

impl Default for EmitGrants {
    /// No service, any session, interactions and intents, its own seals: what a file leaves out.
    fn default() -> Self {
        Self {
            services: Patterns::none(),
            sessions: Patterns::any(),
            kinds: BTreeSet::from([RecordKind::Interaction, RecordKind::Intent]),
            seal: Patterns::none(),
            seal_own: true,
        }
    }
}

impl EmitGrants {
    /// What anyone may send to a collector that only this machine reaches, and what a bearer token without an access file allows:
    /// everything but credential events.
    pub fn trial() -> Self {
        let kinds = [RecordKind::Interaction, RecordKind::Intent, RecordKind::Configuration];
        Self { services: Patterns::any(), kinds: BTreeSet::from(kinds), ..Self::default() }
    }

    /// What anyone may send to a collector that other machines reach and that authenticates nobody: telemetry, and nothing that
    /// changes what others' records show.
    pub fn stranger() -> Self {
        Self { services: Patterns::any(), seal_own: false, ..Self::default() }
    }

    /// Whether records of a kind may be sent.
    pub fn allows(&self, kind: RecordKind) -> bool {
        self.kinds.contains(&kind)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn grants_are_read_back_from_a_journal_as_they_were() {
        let some = EmitGrants {
            services: Patterns::try_from(vec!["a".to_owned(), "b-*".to_owned()]).unwrap(),
            kinds: BTreeSet::from([RecordKind::CredentialEvent]),
            ..EmitGrants::default()
        };
        for grants in [EmitGrants::default(), EmitGrants::trial(), EmitGrants::stranger(), some] {
            let bytes = postcard::to_stdvec(&grants).unwrap();
            assert_eq!(postcard::from_bytes::<EmitGrants>(&bytes).unwrap(), grants);
        }
    }

    #[test]
    fn nothing_is_an_issuer_by_default() {
        for grants in [EmitGrants::default(), EmitGrants::trial(), EmitGrants::stranger()] {
            assert!(!grants.allows(RecordKind::CredentialEvent));
        }
        assert!(
            !EmitGrants::stranger().seal_own && !EmitGrants::stranger().allows(RecordKind::Configuration)
        );
    }

    #[test]
    fn names_are_those_of_the_file() {
        for role in Role::ALL {
            assert_eq!(serde_json::to_value(role).unwrap(), role.name());
        }
        for kind in [
            RecordKind::Intent,
            RecordKind::Interaction,
            RecordKind::Configuration,
            RecordKind::CredentialEvent,
        ] {
            assert_eq!(serde_json::to_value(kind).unwrap(), kind.name());
        }
    }
}
