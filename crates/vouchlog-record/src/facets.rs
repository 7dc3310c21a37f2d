//! What records are found by.

use std::borrow::Cow;

use unicode_normalization::{IsNormalized, UnicodeNormalization, is_nfc_quick};

use crate::event::ConfigurationSubject;
use crate::field::Field;
use crate::id::RecordId;
use crate::limits::MAX_PERSON_BYTES;
use crate::record::Record;

/// Something a record is found by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Facet {
    /// The session.
    Session,
    /// The conversation.
    Conversation,
    /// The W3C trace.
    Trace,
    /// A person: who began it (`iss` and `sub`), the end user, a pseudonym. Personal.
    Initiator,
    /// The agent's id.
    Agent,
    /// The workload's id.
    Workload,
    /// The device. Personal.
    Device,
    /// The id of a credential, of the interaction or of a downstream call.
    Credential,
    /// A tool's name.
    Tool,
    /// The model that answered, or was asked.
    Model,
    /// A verdict: a policy's (`deny`), or one on the record (`attributable:no`).
    Verdict,
    /// The code of a finding.
    Finding,
    /// The gateway.
    Gateway,
    /// The service that told of it.
    Service,
    /// The provider's response id.
    Response,
    /// A record this one points to: its intent, what it amends, what it discloses or erases, what it decides about.
    Refers,
    /// A class of the data: of the input, the output, or a source.
    DataClass,
    /// What a credential allows.
    Scope,
    /// Who issued a credential.
    Issuer,
    /// The case that it is about.
    Case,
}

impl Facet {
    /// Every facet.
    pub const ALL: [Facet; 20] = [
        Self::Session,
        Self::Conversation,
        Self::Trace,
        Self::Initiator,
        Self::Agent,
        Self::Workload,
        Self::Device,
        Self::Credential,
        Self::Tool,
        Self::Model,
        Self::Verdict,
        Self::Finding,
        Self::Gateway,
        Self::Service,
        Self::Response,
        Self::Refers,
        Self::DataClass,
        Self::Scope,
        Self::Issuer,
        Self::Case,
    ];

    /// Its name, on the command line and in messages.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Session => "session",
            Self::Conversation => "conversation",
            Self::Trace => "trace",
            Self::Initiator => "initiator",
            Self::Agent => "agent",
            Self::Workload => "workload",
            Self::Device => "device",
            Self::Credential => "credential",
            Self::Tool => "tool",
            Self::Model => "model",
            Self::Verdict => "verdict",
            Self::Finding => "finding",
            Self::Gateway => "gateway",
            Self::Service => "service",
            Self::Response => "response",
            Self::Refers => "refers",
            Self::DataClass => "data-class",
            Self::Scope => "scope",
            Self::Issuer => "issuer",
            Self::Case => "case",
        }
    }

    /// The facet of a name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|facet| facet.name() == name)
    }

    /// Whether it names a person, so that it goes when the person's data is erased.
    pub const fn is_personal(self) -> bool {
        matches!(self, Self::Initiator | Self::Device)
    }

    /// A value in the form it is searched for: Unicode's normal form C, so that texts that look alike because they are made of the same
    /// characters are the same; and of a person, `iss|sub`, an issuer without slashes at its end. Letters keep their case.
    pub fn canonical(self, value: &str) -> Cow<'_, str> {
        let value = match is_nfc_quick(value.chars()) {
            IsNormalized::Yes => Cow::Borrowed(value),
            _ => Cow::Owned(value.nfc().collect()),
        };
        match value.split_once('|') {
            Some((issuer, subject)) if self == Self::Initiator && issuer.ends_with('/') => {
                Cow::Owned(format!("{}|{subject}", issuer.trim_end_matches('/')))
            }
            _ => value,
        }
    }
}

impl Record {
    /// The facets that the record itself contains; verdicts and findings come from grading it.
    pub fn facets(&self) -> Vec<(Facet, String)> {
        let mut facets = Vec::new();
        let mut add =
            |facet, value: Option<&String>| facets.extend(value.map(|value| (facet, value.clone())));
        let body = &self.body;
        if let Some(correlation) = body.correlation.value() {
            add(Facet::Session, correlation.session.value());
            add(Facet::Conversation, correlation.conversation.value());
            add(Facet::Trace, correlation.trace.value());
            add(Facet::Response, correlation.response_id.value());
        }
        for person in self.subjects().iter().chain(&self.bare_subject()) {
            add(Facet::Initiator, Some(person));
        }
        if let Some(workload) = body.workload.value() {
            add(Facet::Workload, workload.id.value());
            add(Facet::Agent, workload.agent.value().and_then(|agent| agent.id.value()));
        }
        add(Facet::Device, body.device.value().and_then(|device| device.id.value()));
        for (_, credential) in self.credentials() {
            add(Facet::Credential, credential.id.value());
            add(Facet::Issuer, credential.issuer.value());
            for scope in credential.scope.value().into_iter().flatten() {
                add(Facet::Scope, Some(scope));
            }
        }
        for named in self.named_credentials() {
            add(Facet::Credential, Some(named));
        }
        if let Some(model) = body.model.value() {
            add(Facet::Model, model.served.value());
            add(Facet::Model, model.requested.value());
        }
        for decision in body.policy.value().into_iter().flatten() {
            let verdict = decision.verdict.value().and_then(|verdict| serde_json::to_value(verdict).ok());
            add(Facet::Verdict, verdict.and_then(|verdict| verdict.as_str().map(str::to_owned)).as_ref());
        }
        if let Some(data) = body.data.value() {
            let of_text =
                [&data.input_class, &data.output_class].into_iter().filter_map(Field::value).flatten();
            let sources = data.sources.value().into_iter().flatten();
            for class in of_text.chain(sources.filter_map(|source| source.class.value())) {
                add(Facet::DataClass, Some(class));
            }
        }
        for tool in body.tools.value().into_iter().flatten() {
            add(Facet::Tool, tool.name.value());
        }
        add(Facet::Service, body.custody.value().and_then(|custody| custody.service.value()));
        if let Some(configuration) = body.configuration.value()
            && configuration.subject.value() == Some(&ConfigurationSubject::Agent)
        {
            add(Facet::Agent, configuration.id.value());
        }
        let case = body.finding.value().and_then(|finding| finding.case.value());
        add(Facet::Case, case.and_then(|case| case.name.value()));
        for record in self.refers_to() {
            add(Facet::Refers, Some(&record.as_str().to_owned()));
        }
        facets.sort();
        facets.dedup();
        facets
    }

    /// Ids of the credentials that uses name.
    pub fn named_credentials(&self) -> impl Iterator<Item = &String> {
        let body = &self.body;
        let workload = body.workload.value().map(|workload| &workload.credential);
        let model = body.model.value().map(|model| &model.credential);
        let sources = body.data.value().and_then(|data| data.sources.value()).into_iter().flatten();
        let tools = body.tools.value().into_iter().flatten();
        let of_tools = tools.flat_map(|tool| {
            let downstream = tool.downstream.value().into_iter().flatten();
            downstream.map(|downstream| &downstream.credential).chain([&tool.credential])
        });
        let named = workload.into_iter().chain(model).chain(sources.map(|source| &source.credential));
        named.chain(of_tools).filter_map(Field::value)
    }

    /// Who began the interaction: `sub`, at `iss`.
    pub fn initiator(&self) -> Option<String> {
        let initiator = self.body.initiator.value()?;
        let sub = initiator.sub.value()?;
        Some(initiator.iss.value().map_or_else(|| sub.clone(), |iss| format!("{iss}|{sub}")))
    }

    /// The people whose data it is, each once: who began it, the end user, and whoever a pseudonym stands for. The keys of all
    /// are needed to read it, so that it goes with the first who is erased. A name longer than [`MAX_PERSON_BYTES`] is cut there.
    pub fn subjects(&self) -> Vec<String> {
        let mut people: Vec<String> = self.initiator().into_iter().collect();
        if let Some(initiator) = self.body.initiator.value() {
            let others = [&initiator.end_user, &initiator.pseudonym];
            people.extend(others.into_iter().filter_map(Field::value).cloned());
        }
        people.iter_mut().for_each(cut);
        people.sort();
        people.dedup();
        people
    }

    /// Those of its [`subjects`](Self::subjects) that a name is for: `iss|sub`, or `sub` alone for whoever has it at any issuer; in any
    /// Unicode form.
    pub fn subjects_named(&self, name: &str) -> Vec<String> {
        let is_named = |person: &str| Facet::Initiator.canonical(person) == Facet::Initiator.canonical(name);
        let initiator = self.initiator().filter(|_| self.bare_subject().is_some_and(|sub| is_named(&sub)));
        let initiator = initiator.map(|mut initiator| {
            cut(&mut initiator);
            initiator
        });
        self.subjects()
            .into_iter()
            .filter(|person| is_named(person) || Some(person) == initiator.as_ref())
            .collect()
    }

    /// Who began the interaction, without the issuer.
    fn bare_subject(&self) -> Option<String> {
        let mut subject = self.body.initiator.value()?.sub.value()?.clone();
        cut(&mut subject);
        Some(subject)
    }

    /// The records it points to.
    pub fn refers_to(&self) -> Vec<&RecordId> {
        let body = &self.body;
        let mut records = Vec::new();
        if let Some(correlation) = body.correlation.value() {
            records.extend(correlation.intent.value());
            records.extend(correlation.amends.value());
        }
        records.extend(body.disclosure.value().and_then(|event| event.records.value()).into_iter().flatten());
        if let Some(erasure) = body.erasure.value() {
            records.extend(erasure.records.value().into_iter().flatten());
            records.extend(erasure.refused.value().into_iter().flatten());
        }
        if let Some(finding) = body.finding.value() {
            records.extend(finding.record.value());
            records.extend(finding.records.value().into_iter().flatten());
            records.extend(finding.case.value().and_then(|case| case.disclosure.value()));
        }
        records
    }
}

fn cut(person: &mut String) {
    person.truncate(person.floor_char_boundary(MAX_PERSON_BYTES));
}
