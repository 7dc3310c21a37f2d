//! What is known beside a record.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use jiff::{SignedDuration, Timestamp};
use vouchlog_record::{
    ArtifactDigest, Configuration, ConfigurationSubject, CredentialAction, Record, RecordId, RegisteredAgent,
};
use vouchlog_stream::StatementKind;

use crate::agent_registry::AgentRegistry;
use crate::described::{begin_of, id_of};
use crate::limits::{
    ASSUMED_CLOCK_ERROR, KNOWN_CONTENT_LIMITS, MAX_AGENTS_PER_WORKLOAD, MAX_MERGE_DELAY, MAX_REMEMBERED,
    MAX_THINGS_REMEMBERED,
};

/// What is known beside a record. The default is nothing: what would need it is then indeterminate, or not asked.
///
/// [`learn`](Self::learn) takes in earlier records one by one; the caller supplies the rest.
#[derive(Clone, Debug, Default)]
pub struct Context {
    revocations: BTreeMap<String, Revocation>,
    windows: BTreeMap<String, Vec<Window>>,
    configurations: BTreeMap<(ConfigurationSubject, String), Vec<ConfigurationPeriod>>,
    registry: AgentRegistry,
    shared_workloads: BTreeSet<String>,
    agents: RememberedNames,
    sessions: RememberedNames,
    tasks: RememberedNames,
    initiators: RememberedNames,
    class_orders: Vec<ClassOrder>,
    recorder_keys: BTreeMap<String, Vec<(Timestamp, Option<Timestamp>)>>,
    content_limits: BTreeSet<u64>,
    max_merge_delay: Option<SignedDuration>,
    clock_error: Option<SignedDuration>,
    write_ahead: Option<bool>,
}

/// A revocation of a credential.
#[derive(Clone, Debug)]
pub(crate) struct Revocation {
    /// From when it holds.
    pub(crate) from: Timestamp,
    /// The record that tells of it.
    pub(crate) by: Option<RecordId>,
}

/// The window that a credential was issued with: from when, and until when, where that was stated.
pub(crate) type Window = (Option<Timestamp>, Option<Timestamp>);

/// The classes of data, the least sensitive first, and from when on they were in force.
#[derive(Clone, Debug)]
struct ClassOrder {
    from: Timestamp,
    classes: Vec<String>,
}

/// A configuration, and when it was in force.
#[derive(Clone, Debug)]
struct ConfigurationPeriod {
    digest: Option<ArtifactDigest>,
    version: Option<String>,
    from: Timestamp,
    until: Option<Timestamp>,
}

impl ConfigurationPeriod {
    /// Whether it was in force at this time: until the end it states, or until the next of the same name begins.
    fn covers(&self, at: Timestamp, all: &[Self]) -> bool {
        let next = all.iter().map(|other| other.from).filter(|from| *from > self.from).min();
        let end = self.until.into_iter().chain(next).min();
        self.from <= at && end.is_none_or(|end| at < end)
    }
}

/// Whether a configuration was in force.
pub(crate) enum InForce {
    Yes,
    No,
    Unknown,
}

/// Whether a recorder's key was in force.
pub(crate) enum KeyState {
    InForce,
    NotInForce,
    Unknown,
}

/// Names that were seen of things such as sessions: of the newest so many things. What is forgotten is not judged by any more, as
/// if it had never been seen; who audits a time long past reads its records again.
#[derive(Clone, Debug, Default)]
struct RememberedNames {
    names: BTreeMap<String, BTreeSet<String>>,
    order: VecDeque<String>,
}

impl RememberedNames {
    fn remember(&mut self, thing: &str, name: &str) {
        if let Some(names) = self.names.get_mut(thing) {
            if names.len() < MAX_REMEMBERED {
                names.insert(name.to_owned());
            }
            return;
        }
        self.names.insert(thing.to_owned(), BTreeSet::from([name.to_owned()]));
        self.order.push_back(thing.to_owned());
        if self.order.len() > MAX_THINGS_REMEMBERED
            && let Some(oldest) = self.order.pop_front()
        {
            self.names.remove(&oldest);
        }
    }
}

impl Context {
    /// Takes in a record: events of credentials, configurations, and who used which credential, session and workload.
    pub fn learn(&mut self, id: &RecordId, record: &Record) {
        match record.kind {
            StatementKind::CredentialEvent => self.learn_credential(id, record),
            StatementKind::Configuration => self.learn_configuration(record),
            StatementKind::Interaction | StatementKind::Intent => self.learn_use(record),
            _ => {}
        }
    }

    fn learn_credential(&mut self, name: &RecordId, record: &Record) {
        let Some(event) = record.body.credential_event.value() else { return };
        for (_, credential) in record.credentials() {
            let Some(id) = id_of(credential).value() else { continue };
            match event.action.value() {
                Some(CredentialAction::Issued | CredentialAction::Rotated) => {
                    self.issue(id, (begin_of(credential), credential.exp.value().copied()));
                }
                Some(CredentialAction::Revoked) => {
                    let told = record.body.time.value().and_then(|time| time.start.value());
                    // A revocation that does not say from when holds from the first moment.
                    let effective = event.effective.value().or(told).copied().unwrap_or(Timestamp::MIN);
                    self.revoke(id, effective, Some(name));
                }
                None => {}
            }
        }
    }

    fn learn_configuration(&mut self, record: &Record) {
        let Some(configuration) = record.body.configuration.value() else { return };
        self.learn_classes(record, configuration);
        let (Some(subject), Some(id)) = (configuration.subject.value(), configuration.id.value()) else {
            return;
        };
        let told = record.body.time.value().and_then(|time| time.start.value());
        let from = configuration.in_force_from.value().or(told);
        if let (ConfigurationSubject::Agent, Some(entry)) = (subject, configuration.agent.value()) {
            self.registry.learn(id, from.copied(), entry);
        }
        let Some(from) = from else { return };
        self.configurations.entry((*subject, id.clone())).or_default().push(ConfigurationPeriod {
            digest: configuration.digest.value().cloned(),
            version: configuration.version.value().cloned(),
            from: *from,
            until: configuration.in_force_until.value().copied(),
        });
    }

    fn learn_classes(&mut self, record: &Record, configuration: &Configuration) {
        let Some(classes) = configuration.classes.value() else { return };
        if configuration.subject.value() != Some(&ConfigurationSubject::DataClasses) {
            return;
        }
        let told = record.body.time.value().and_then(|time| time.start.value());
        let Some(from) = configuration.in_force_from.value().or(told) else { return };
        self.class_orders.push(ClassOrder { from: *from, classes: classes.clone() });
    }

    fn learn_use(&mut self, record: &Record) {
        let initiator = record.initiator();
        let body = &record.body;
        for id in record.credentials().filter_map(|(_, credential)| id_of(credential).value()) {
            if let Some(task) = body.authority.value().and_then(|authority| authority.task.value()) {
                self.tasks.remember(id, task);
            }
            if let Some(initiator) = &initiator {
                self.initiators.remember(id, initiator);
            }
        }
        let session = body.correlation.value().and_then(|correlation| correlation.session.value());
        if let (Some(session), Some(initiator)) = (session, &initiator) {
            self.sessions.remember(session, initiator);
        }
        if let Some(workload) = body.workload.value()
            && let Some(id) = workload.id.value()
            && let Some(agent) = workload.agent.value().and_then(|agent| agent.id.value())
        {
            self.agents.remember(id, agent);
        }
    }

    /// A credential was revoked, from this time on. The earliest counts.
    #[must_use]
    pub fn revoked(mut self, credential: &str, effective: Timestamp) -> Self {
        self.revoke(credential, effective, None);
        self
    }

    fn revoke(&mut self, credential: &str, effective: Timestamp, by: Option<&RecordId>) {
        let never = Revocation { from: Timestamp::MAX, by: None };
        let known = self.revocations.entry(credential.to_owned()).or_insert(never);
        if effective <= known.from {
            *known = Revocation { from: effective, by: by.cloned() };
        }
    }

    /// A credential was issued, valid from `begin` to `exp`.
    #[must_use]
    pub fn issued(mut self, credential: &str, begin: Option<Timestamp>, exp: Option<Timestamp>) -> Self {
        self.issue(credential, (begin, exp));
        self
    }

    /// A credential that is rotated under its name has several windows; of many the newest are kept.
    fn issue(&mut self, credential: &str, window: Window) {
        let windows = self.windows.entry(credential.to_owned()).or_default();
        if windows.len() == MAX_REMEMBERED {
            windows.remove(0);
        }
        windows.push(window);
    }

    /// Something was configured and in force from `from` until `until`, or until the next of the same name.
    #[must_use]
    pub fn configured(
        mut self,
        subject: ConfigurationSubject,
        id: &str,
        digest: ArtifactDigest,
        (from, until): (Timestamp, Option<Timestamp>),
    ) -> Self {
        let configured = ConfigurationPeriod { digest: Some(digest), version: None, from, until };
        self.configurations.entry((subject, id.to_owned())).or_default().push(configured);
        self
    }

    /// A workload identity that several programs share.
    #[must_use]
    pub fn shared_workload(mut self, id: &str) -> Self {
        self.shared_workloads.insert(id.to_owned());
        self
    }

    /// The classes of data, the least sensitive first.
    #[must_use]
    pub fn class_order(mut self, classes: impl IntoIterator<Item = impl Into<String>>) -> Self {
        let classes = classes.into_iter().map(Into::into).collect();
        self.class_orders.push(ClassOrder { from: Timestamp::MIN, classes });
        self
    }

    /// A recorder's key, by its name in `custody.recorder`, was in force from `from` until `until`.
    #[must_use]
    pub fn recorder_key_in_force(mut self, name: &str, from: Timestamp, until: Option<Timestamp>) -> Self {
        self.recorder_keys.entry(name.to_owned()).or_default().push((from, until));
        self
    }

    /// A source cuts content at so many bytes. Known limits are in [`KNOWN_CONTENT_LIMITS`].
    #[must_use]
    pub fn content_limit(mut self, bytes: u64) -> Self {
        self.content_limits.insert(bytes);
        self
    }

    /// How long a record may take to be in the log; otherwise [`MAX_MERGE_DELAY`].
    #[must_use]
    pub fn merge_within(mut self, delay: SignedDuration) -> Self {
        self.max_merge_delay = Some(delay);
        self
    }

    /// How far the clock may be off where a record does not say; otherwise [`ASSUMED_CLOCK_ERROR`].
    #[must_use]
    pub fn assume_clock_error(mut self, error: SignedDuration) -> Self {
        self.clock_error = Some(error);
        self
    }

    /// Whether the gateway writes intents ahead.
    #[must_use]
    pub fn write_ahead(mut self, does: bool) -> Self {
        self.write_ahead = Some(does);
        self
    }

    /// What a gateway knew when it graded a record, as far as an auditor can check it: parameters, and no history.
    pub(crate) fn of_its_day(&self) -> Self {
        Self {
            class_orders: self.class_orders.clone(),
            content_limits: self.content_limits.clone(),
            max_merge_delay: self.max_merge_delay,
            clock_error: self.clock_error,
            ..Self::default()
        }
    }

    /// From when on a credential was revoked, and which record says so.
    pub(crate) fn revocation(&self, credential: &str) -> Option<&Revocation> {
        self.revocations.get(credential)
    }

    pub(crate) fn is_issued(&self, credential: &str) -> bool {
        self.windows.contains_key(credential)
    }

    /// The windows that a credential was issued with, as far as that is known.
    pub(crate) fn windows(&self, credential: &str) -> &[Window] {
        self.windows.get(credential).map(Vec::as_slice).unwrap_or_default()
    }

    /// The entry of an agent in the registry of agents. A retired agent stays in it.
    pub fn registered_agent(&self, id: &str) -> Option<&RegisteredAgent> {
        self.registry.get(id)
    }

    pub(crate) fn has_agents(&self) -> bool {
        !self.registry.is_empty()
    }

    pub(crate) fn knows_policy(&self, id: &str) -> bool {
        self.configurations.contains_key(&(ConfigurationSubject::Policy, id.to_owned()))
    }

    pub(crate) fn is_shared_workload(&self, id: &str) -> bool {
        self.shared_workloads.contains(id)
    }

    pub(crate) fn workload_has_many_agents(&self, id: &str, agent: Option<&String>) -> bool {
        let known = self.agents.names.get(id);
        let new = agent.filter(|agent| known.is_none_or(|known| !known.contains(*agent)));
        known.map_or(0, BTreeSet::len) + usize::from(new.is_some()) > MAX_AGENTS_PER_WORKLOAD
    }

    pub(crate) fn workload_has_agents(&self, id: &str) -> bool {
        self.agents.names.contains_key(id)
    }

    pub(crate) fn session_has_another_initiator(&self, session: &str, initiator: &String) -> bool {
        has_another(&self.sessions.names, session, Some(initiator))
    }

    pub(crate) fn other_task(&self, credential: &str, task: Option<&String>) -> bool {
        has_another(&self.tasks.names, credential, task)
    }

    pub(crate) fn other_initiator(&self, credential: &str, initiator: Option<&String>) -> bool {
        has_another(&self.initiators.names, credential, initiator)
    }

    /// The rank of a data class, by the order that was in force at this time.
    pub(crate) fn class_rank(&self, class: &str, at: Timestamp) -> Option<usize> {
        let begun = self.class_orders.iter().filter(|order| order.from <= at);
        let order = begun.max_by_key(|order| order.from)?;
        order.classes.iter().position(|known| known == class)
    }

    pub(crate) fn max_merge_delay(&self) -> SignedDuration {
        self.max_merge_delay.unwrap_or(MAX_MERGE_DELAY)
    }

    pub(crate) fn assumed_clock_error(&self) -> SignedDuration {
        self.clock_error.unwrap_or(ASSUMED_CLOCK_ERROR)
    }

    pub(crate) const fn writes_ahead(&self) -> Option<bool> {
        self.write_ahead
    }

    pub(crate) fn is_content_limit(&self, bytes: u64) -> bool {
        KNOWN_CONTENT_LIMITS.contains(&bytes) || self.content_limits.contains(&bytes)
    }

    pub(crate) fn recorder_key(&self, name: &str, made: Option<Timestamp>) -> KeyState {
        let Some(windows) = self.recorder_keys.get(name) else {
            // Where others are registered, one that is not has no business here.
            return if self.recorder_keys.is_empty() { KeyState::Unknown } else { KeyState::NotInForce };
        };
        let Some(made) = made else { return KeyState::Unknown };
        let holds = |(from, until): &(Timestamp, Option<Timestamp>)| {
            *from <= made && until.is_none_or(|until| made < until)
        };
        if windows.iter().any(holds) { KeyState::InForce } else { KeyState::NotInForce }
    }

    pub(crate) fn in_force(
        &self,
        subject: ConfigurationSubject,
        id: &str,
        digest: Option<&ArtifactDigest>,
        version: Option<&str>,
        at: Timestamp,
    ) -> InForce {
        let Some(known) = self.configurations.get(&(subject, id.to_owned())) else {
            let knows_others = self.configurations.keys().any(|(known, _)| *known == subject);
            return if knows_others { InForce::No } else { InForce::Unknown };
        };
        let mut unsure = false;
        for one in known.iter().filter(|one| one.covers(at, known)) {
            match (&one.digest, digest, &one.version, version) {
                (Some(ours), Some(theirs), ..) if ours == theirs => return InForce::Yes,
                (Some(_), None, ..) => unsure = true,
                (None, _, Some(ours), Some(theirs)) if ours == theirs => return InForce::Yes,
                (None, _, _, None) | (None, _, None, _) => unsure = true,
                _ => {}
            }
        }
        if unsure { InForce::Unknown } else { InForce::No }
    }
}

/// Whether another name than this is known. Of an unknown name nobody can tell until two are known.
fn has_another(map: &BTreeMap<String, BTreeSet<String>>, key: &str, name: Option<&String>) -> bool {
    map.get(key).is_some_and(|known| match name {
        Some(name) => known.iter().any(|other| other != name),
        None => known.len() > 1,
    })
}
