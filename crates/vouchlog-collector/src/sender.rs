//! Who sent a body, and what of it that caller may send. The receiver asks before it acknowledges, and the fold asks again when the
//! journal is read: both ask the same functions, with the grants that the caller had when the body came.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use vouchlog_access::{EmitGrants, Principal, RecordKind};
use vouchlog_record::{Body, ConfigurationSubject, Field, Record};
use vouchlog_stream::StatementKind;

use crate::dialect::{self, Role};
use crate::intake::{Item, ItemError};

/// Who sent a body, as the collector authenticated it, and what that caller may send.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "StoredSender", into = "StoredSender")]
pub struct Sender {
    name: Option<Arc<str>>,
    grants: Arc<EmitGrants>,
}

/// The same as it stands in the journal.
#[derive(Serialize, Deserialize)]
struct StoredSender {
    name: Option<String>,
    grants: EmitGrants,
}

impl From<Sender> for StoredSender {
    fn from(Sender { name, grants }: Sender) -> Self {
        Self { name: name.map(|name| name.to_string()), grants: Arc::unwrap_or_clone(grants) }
    }
}

impl From<StoredSender> for Sender {
    fn from(StoredSender { name, grants }: StoredSender) -> Self {
        Self::new(name.as_deref(), Arc::new(grants))
    }
}

/// Payloads that are not taken: their places in the body, and why.
pub(crate) type Refusals = BTreeMap<usize, String>;

impl Default for Sender {
    /// A caller that was not authenticated, at a collector that only this machine reaches.
    fn default() -> Self {
        Self::new(None, Arc::new(EmitGrants::trial()))
    }
}

impl Sender {
    /// A caller with these grants; without a name it was not authenticated.
    pub fn new(name: Option<&str>, grants: Arc<EmitGrants>) -> Self {
        Self { name: name.map(Arc::from), grants }
    }

    /// A principal that may send something.
    pub(crate) fn of(principal: &Principal, grants: &Arc<EmitGrants>) -> Self {
        Self::new(principal.name(), Arc::clone(grants))
    }

    /// Its name, for records.
    pub(crate) fn name(&self) -> Option<&Arc<str>> {
        self.name.as_ref()
    }

    /// Whether it may send an item of telemetry: one of its own service and sessions, and nothing that becomes a record of another
    /// kind than it may send.
    pub(crate) fn check_item(&self, item: &Item) -> Result<(), ItemError> {
        let source = match item {
            Item::Span(span) => Some(&span.source),
            Item::Event(event) => Some(&event.source),
            Item::Decision(_) => None,
        };
        let service = source.and_then(|source| source.resource.get("service.name")).and_then(Value::as_str);
        self.kind(RecordKind::Interaction)
            .and_then(|()| self.service(service))
            .map_err(ItemError::NotGranted)?;
        if self.grants.sessions.is_any() && self.grants.allows(RecordKind::Configuration) {
            return Ok(());
        }
        let reading = dialect::read(item);
        if reading.role == Role::AgentCreation {
            self.kind(RecordKind::Configuration).map_err(ItemError::NotGranted)?;
        }
        let names = ["correlation.session", "correlation.conversation"];
        let sessions = names.into_iter().filter_map(|name| reading.text(name));
        self.sessions(sessions).map_err(ItemError::NotGranted)
    }

    /// Whether it may send a record.
    pub(crate) fn check_record(&self, record: &Record) -> Result<(), String> {
        self.kind(outside_kind(record)?)?;
        let custody = record.body.custody.value();
        self.service(custody.and_then(|it| it.service.value()).map(String::as_str))?;
        let correlation = record.body.correlation.value();
        let session = correlation.and_then(|it| it.session.value());
        let conversation = correlation.and_then(|it| it.conversation.value());
        self.sessions([session, conversation].into_iter().flatten().map(String::as_str))
    }

    /// Whether it may seal a session, if need be only one of which nobody else sent records.
    pub(crate) fn may_seal(&self, session: &str, is_own: impl FnOnce() -> bool) -> bool {
        self.grants.seal.matches(session)
            || self.grants.seal_own && self.grants.sessions.matches(session) && is_own()
    }

    /// Keeps of what was read what may be sent, and adds the rest to the refusals, by place.
    pub(crate) fn keep<T>(
        taken: Vec<T>,
        refusals: &mut Refusals,
        check: impl Fn(&T) -> Result<(), String>,
    ) -> Vec<T> {
        let unread: HashSet<usize> = refusals.keys().copied().collect();
        let places = (0..).filter(|place| !unread.contains(place));
        let mut kept = Vec::with_capacity(taken.len());
        for (one, place) in taken.into_iter().zip(places) {
            match check(&one) {
                Ok(()) => kept.push(one),
                Err(why) => drop(refusals.insert(place, why)),
            }
        }
        kept
    }

    fn kind(&self, kind: RecordKind) -> Result<(), String> {
        if self.grants.allows(kind) {
            return Ok(());
        }
        let who = match kind {
            RecordKind::CredentialEvent => ": it takes the grant of an issuer",
            _ => "",
        };
        Err(format!("the caller may not send records of kind {}{who}", kind.name()))
    }

    fn service(&self, service: Option<&str>) -> Result<(), String> {
        match service {
            // Nothing is claimed; the record names the caller.
            None => Ok(()),
            Some(service) if self.grants.services.matches(service) => Ok(()),
            Some(_) => Err("the caller may not send for this service".to_owned()),
        }
    }

    fn sessions<'a>(&self, sessions: impl IntoIterator<Item = &'a str>) -> Result<(), String> {
        let denied = sessions.into_iter().any(|session| !self.grants.sessions.matches(session));
        if denied { Err("the caller may not write to this session".to_owned()) } else { Ok(()) }
    }
}

/// The kind of a record that comes from outside, or why none such does: the collector's account of itself and what the vault does
/// are stated by those alone, and so is everything that only a record of such a kind has.
pub(crate) fn outside_kind(record: &Record) -> Result<RecordKind, String> {
    let kind = match record.kind {
        StatementKind::Interaction => RecordKind::Interaction,
        StatementKind::Intent => RecordKind::Intent,
        StatementKind::Configuration => RecordKind::Configuration,
        StatementKind::CredentialEvent => RecordKind::CredentialEvent,
        kind @ (StatementKind::Disclosure | StatementKind::Erasure | StatementKind::Hold) => {
            return Err(format!("only the vault writes records of kind {kind}"));
        }
        StatementKind::SessionSeal => {
            return Err("only the collector writes session seals: POST /v1/sessions/{id}/seal".to_owned());
        }
        kind => return Err(format!("only the collector writes records of kind {kind}")),
    };
    let is_foreign = |group: &str| match group {
        "configuration" => kind != RecordKind::Configuration,
        "credential_event" => kind != RecordKind::CredentialEvent,
        _ => true,
    };
    if let Some(group) = event_groups(&record.body).into_iter().find(|group| is_foreign(group)) {
        return Err(format!("a record of kind {} has no `{group}`", kind.name()));
    }
    if kind == RecordKind::Configuration {
        match record.body.configuration.value().and_then(|it| it.subject.value()) {
            Some(ConfigurationSubject::Dialects | ConfigurationSubject::Gateway) => {
                return Err("only the collector states its own configuration".to_owned());
            }
            None => return Err("a configuration from outside names its subject".to_owned()),
            Some(_) => {}
        }
    }
    Ok(kind)
}

/// The groups of a record that make it one of another kind than an interaction.
fn event_groups(body: &Body) -> Vec<&'static str> {
    fn there<T>(name: &'static str, group: &Field<T>) -> Option<&'static str> {
        (!group.is_absent()).then_some(name)
    }
    let groups = [
        there("credential_event", &body.credential_event),
        there("session_seal", &body.session_seal),
        there("configuration", &body.configuration),
        there("disclosure", &body.disclosure),
        there("erasure", &body.erasure),
        there("hold", &body.hold),
        there("declared_loss", &body.declared_loss),
        there("finding", &body.finding),
        there("heartbeat", &body.heartbeat),
    ];
    groups.into_iter().flatten().collect()
}
