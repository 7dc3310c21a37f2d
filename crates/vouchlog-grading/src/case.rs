//! A record under its rules, as checks read it.

use jiff::{SignedDuration, Timestamp};
use vouchlog_record::{
    Body, Credential, CredentialType, Effect, Field, InitiatorKind, OutcomeState, PolicyDecision, Record,
    Time, Tool, ToolStatus,
};
use vouchlog_stream::StatementKind;

use crate::context::Context;
use crate::described::id_of;
use crate::field_view::{FieldView, view};
use crate::profile::ProfileRequirements;
use crate::terms::AskedOf;

mod credential_uses;
mod uncertain_time;

pub(crate) use credential_uses::{
    JudgedUse, UseTime, UsedCredential, recorded, refutes_validity, tool_name, uses,
};
pub(crate) use uncertain_time::UncertainTime;

/// A record under its rules.
pub(crate) struct Case<'a> {
    pub(crate) record: &'a Record,
    pub(crate) body: &'a Body,
    pub(crate) context: &'a Context,
    pub(crate) requirements: &'static ProfileRequirements,
    /// The credentials that the record describes, with their JSON pointers. Where there is none one rule says so, and the others have
    /// nothing to add.
    pub(crate) credentials: Vec<(String, &'a Credential)>,
    /// Each use of a credential, and what is wrong with it.
    pub(crate) uses: Vec<JudgedUse>,
}

/// Whether a credential is an identity document of SPIFFE.
pub(crate) fn is_svid(credential: &Credential) -> bool {
    credential.r#type.value() == Some(&CredentialType::Svid)
}

impl<'a> Case<'a> {
    pub(crate) fn new(record: &'a Record, context: &'a Context) -> Self {
        let requirements = ProfileRequirements::of(record.profile());
        let credentials = record.credentials().collect();
        let mut case =
            Self { record, body: &record.body, context, requirements, credentials, uses: Vec::new() };
        case.uses = credential_uses::judge(&case);
        case
    }

    pub(crate) fn is_asked(&self, of: AskedOf) -> bool {
        match of {
            AskedOf::Acting => {
                matches!(self.record.kind, StatementKind::Interaction | StatementKind::Intent)
            }
            AskedOf::Interactions => self.record.kind == StatementKind::Interaction,
            AskedOf::Every => true,
            AskedOf::Set => false,
        }
    }

    pub(crate) fn is_intent(&self) -> bool {
        self.record.kind == StatementKind::Intent
    }

    pub(crate) fn initiator_kind(&self) -> FieldView<'a, InitiatorKind> {
        view(&self.body.initiator).then(|initiator| &initiator.kind)
    }

    /// Whether `name` is the initiator, with or without who vouches for it.
    pub(crate) fn is_initiator(&self, name: &str) -> bool {
        let sub = view(&self.body.initiator).then(|initiator| &initiator.sub).value();
        sub.is_some_and(|sub| sub == name) || self.record.initiator().is_some_and(|full| full == name)
    }

    /// Whether `name` could be the initiator, at an issuer that is not known.
    pub(crate) fn may_be_initiator(&self, name: &str) -> bool {
        let initiator = view(&self.body.initiator);
        let sub = initiator.then(|initiator| &initiator.sub).value();
        let at_some_issuer = |sub: &String| name.rsplit_once('|').is_some_and(|(_, named)| named == sub);
        initiator.then(|initiator| &initiator.iss).value().is_none() && sub.is_some_and(at_some_issuer)
    }

    /// Whether the initiator is known to be no person.
    pub(crate) fn is_no_person(&self) -> bool {
        use InitiatorKind::{Agent, Schedule, Service};
        matches!(self.initiator_kind().value(), Some(Agent | Service | Schedule))
    }

    /// Whether a credential is, or may be, the workload's identity document beside others: by its type, or because its type is not
    /// known and no use names it.
    pub(crate) fn is_workload_document(&self, credential: &Credential) -> bool {
        let is_alone = self.credentials.iter().all(|(_, other)| is_svid(other));
        let named = || {
            id_of(credential)
                .value()
                .is_some_and(|id| self.record.named_credentials().any(|named| named == id))
        };
        !is_alone
            && self.credentials.len() > 1
            && (is_svid(credential) || credential.r#type.value().is_none() && !named())
    }

    pub(crate) fn decisions(&self) -> impl Iterator<Item = (usize, &'a PolicyDecision)> + Clone {
        self.body.policy.value().map(Vec::as_slice).unwrap_or_default().iter().enumerate()
    }

    pub(crate) fn tools(&self) -> impl Iterator<Item = (usize, &'a Tool)> + Clone {
        self.body.tools.value().map(Vec::as_slice).unwrap_or_default().iter().enumerate()
    }

    /// Tool calls that were run, those of which nobody says that they were not, and those that had an effect, whatever is said.
    pub(crate) fn run_tools(&self) -> impl Iterator<Item = (usize, &'a Tool)> + Clone {
        self.tools().filter(|(_, tool)| !is_said_not_to_run(tool) || had_effect(tool))
    }

    pub(crate) fn outcome(&self) -> FieldView<'a, OutcomeState> {
        view(&self.body.outcome).then(|outcome| &outcome.state)
    }

    /// Whether it ended before it was done, so that there need be no answer.
    pub(crate) fn ended_early(&self) -> bool {
        self.outcome().value().is_some_and(|state| *state != OutcomeState::Executed)
    }

    pub(crate) fn time(
        &self,
        get: impl FnOnce(&'a Time) -> &'a Field<Timestamp>,
    ) -> FieldView<'a, Timestamp> {
        view(&self.body.time).then(get)
    }

    /// How far the recorder's clock may be off: what it says, or what is assumed.
    pub(crate) fn clock_error(&self) -> SignedDuration {
        stated_clock_error(self.record).unwrap_or(self.context.assumed_clock_error())
    }
}

/// Whether a tool call is recorded as one that was not run.
pub(crate) fn is_said_not_to_run(tool: &Tool) -> bool {
    matches!(tool.status.value(), Some(ToolStatus::Proposed | ToolStatus::Denied | ToolStatus::Dropped))
}

/// Whether a tool call is recorded to have called somebody, or changed something.
pub(crate) fn had_effect(tool: &Tool) -> bool {
    matches!(tool.effect.value(), Some(Effect::Confirmed | Effect::Dispatched | Effect::Reverted))
        || tool.downstream.value().is_some_and(|calls| !calls.is_empty())
}

/// How far off the clock of a record's times may be, by its own account.
pub(crate) fn stated_clock_error(record: &Record) -> Option<SignedDuration> {
    let clock = view(&record.body.time).then(|time| &time.clock);
    let millis = clock.then(|clock| &clock.max_error_ms).value()?;
    Some(SignedDuration::from_millis(i64::try_from(*millis).unwrap_or(i64::MAX)))
}
