//! The record: what a gateway knows of one AI interaction. Start here; its groups are in `context.rs`, `parties.rs`, `authority.rs`,
//! `activity.rs` and `event.rs`.
//!
//! A record is JSON. What the model knows is strict (a wrong type is an error that names the place), what it does not know is kept
//! as it is ([`Record::unknown`]), and [`Field`] has four ways in which a value can be missing. A record is never refused for being
//! incomplete: it is graded.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Serialize, Serializer};
use serde_json::{Map, Value};
use vouchlog_stream::StatementKind;

use crate::activity::{Content, Data, Model, Outcome, Tool, Usage};
use crate::authority::{Approval, Credential, Grant, Override, PolicyDecision};
use crate::context::{Correlation, Custody, Time};
use crate::event::{
    Configuration, CredentialEvent, DeclaredLoss, DisclosureEvent, ErasureEvent, FindingEvent, Heartbeat,
    HoldEvent, SessionSeal,
};
use crate::group::{group, words};
use crate::id::RecordId;
use crate::one_or_many::OneOrMany;
use crate::parties::{Authority, Device, Initiator, RemoteAgent, Session, Workload};
use crate::unknown;

words! {
    /// How much evidence is required.
    Profile {
        /// Low-risk uses, such as summaries of public text.
        LowRisk,
        /// Data that law or contract protects.
        Regulated,
        /// Tools that write: infrastructure, payments.
        Privileged,
    }
}

/// One record.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct Record {
    /// What the record is about: the kind of its statement, by name.
    #[serde(serialize_with = "kind_name")]
    #[schemars(with = "KindName")]
    pub kind: StatementKind,
    /// Its name; the recorder gives one to a record that has none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<RecordId>,
    /// How much evidence is required. Default: the most, `privileged`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub profile: Option<Profile>,
    /// Everything else.
    #[serde(flatten)]
    pub body: Body,
    /// What the model does not know, by JSON pointer; it is kept, and not understood.
    #[serde(skip)]
    pub(crate) unknown: BTreeMap<String, Value>,
}

group! {
    /// The groups of a record.
    Body {
        /// When it happened.
        time: Time,
        /// What it belongs to.
        correlation: Correlation,
        /// Who started it.
        initiator: Initiator,
        /// The user's session.
        session: Session,
        /// The initiator's device.
        device: Device,
        /// What executed the action.
        workload: Workload,
        /// Agents elsewhere that were called.
        remote_agents: Vec<RemoteAgent>,
        /// The authority of the action.
        authority: Authority,
        /// The credential used, if it is the only one.
        credential: Credential,
        /// The credentials used, if there are several: the user's token, the workload's own, a renewed token. Each use names its own.
        credentials: Vec<Credential>,
        /// The grant behind that.
        grant: Grant,
        /// Decisions of policy engines.
        policy: Vec<PolicyDecision>,
        /// Approval; a list if several have to approve.
        approval: OneOrMany<Approval>,
        /// A decision was overridden; a list if several were.
        r#override: OneOrMany<Override>,
        /// The parties to whom the decision was escalated, in order.
        escalation: Vec<String>,
        /// Data.
        data: Data,
        /// Model.
        model: Model,
        /// The model's input.
        input: Content,
        /// The model's output.
        output: Content,
        /// Tokens.
        usage: Usage,
        /// Tool calls.
        tools: Vec<Tool>,
        /// How the interaction ended.
        outcome: Outcome,
        /// How the record was made and is kept.
        custody: Custody,
        /// Kind `credential-event`.
        credential_event: CredentialEvent,
        /// Kind `session-seal`.
        session_seal: SessionSeal,
        /// Kind `configuration`.
        configuration: Configuration,
        /// Kind `disclosure`.
        disclosure: DisclosureEvent,
        /// Kind `erasure`.
        erasure: ErasureEvent,
        /// Kind `hold`.
        hold: HoldEvent,
        /// Kind `declared-loss`.
        declared_loss: DeclaredLoss,
        /// Kind `finding`.
        finding: FindingEvent,
        /// Kind `heartbeat`.
        heartbeat: Heartbeat,
    }
}

impl Profile {
    /// Its name, as JSON spells it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::LowRisk => "low_risk",
            Self::Regulated => "regulated",
            Self::Privileged => "privileged",
        }
    }
}

impl Record {
    /// A record of this kind with nothing in it.
    pub fn new(kind: StatementKind) -> Self {
        Self { kind, id: None, profile: None, body: Body::default(), unknown: BTreeMap::new() }
    }

    /// The profile, or the strictest where none is named: less evidence is required only where the record asks for it.
    pub fn profile(&self) -> Profile {
        self.profile.unwrap_or(Profile::Privileged)
    }

    /// The credentials that it describes, each with its JSON pointer: those of `credentials`, or the one of `credential`.
    pub fn credentials(&self) -> impl Iterator<Item = (String, &Credential)> {
        let list = self.body.credentials.value().into_iter().flatten().enumerate();
        let list = list.map(|(place, credential)| (format!("/credentials/{place}"), credential));
        self.body
            .credential
            .value()
            .map(|credential| ("/credential".to_owned(), credential))
            .into_iter()
            .chain(list)
    }

    /// Whether it completes a record of an interaction, and is none by itself.
    pub fn is_amendment(&self) -> bool {
        let amends = self.body.correlation.value().and_then(|correlation| correlation.amends.value());
        self.kind == StatementKind::Interaction && amends.is_some()
    }

    /// Whether it is one of those that a session's numbers and its seal count: an interaction, but not what completes one, and an
    /// intent where its gateway numbers intents.
    pub fn is_counted_in_session(&self) -> bool {
        match self.kind {
            StatementKind::Interaction => !self.is_amendment(),
            StatementKind::Intent => self.session_sequence().is_some(),
            _ => false,
        }
    }

    /// Its number in its session.
    pub fn session_sequence(&self) -> Option<u64> {
        self.body.correlation.value()?.session_sequence.value().copied()
    }

    /// The name of its recorder; empty where it is not shown.
    pub fn recorder(&self) -> &str {
        let recorder = self.body.custody.value().and_then(|custody| custody.recorder.value());
        recorder.map(String::as_str).unwrap_or_default()
    }

    /// Members that the model does not know, by JSON pointer (RFC 6901). They are kept, logged and disclosed like all others, and
    /// no rule looks at them.
    pub fn unknown(&self) -> &BTreeMap<String, Value> {
        &self.unknown
    }

    /// The record as a JSON object, unknown members in their places.
    pub fn to_object(&self) -> Map<String, Value> {
        let mut object = match serde_json::to_value(self) {
            Ok(Value::Object(object)) => object,
            _ => unreachable!("the model has string keys and finite numbers only"),
        };
        unknown::put_back(&mut object, &self.unknown);
        object
    }

    /// Published JSON Schema (draft 2020-12) of a record.
    pub fn json_schema() -> Value {
        schemars::schema_for!(Record).to_value()
    }
}

/// Statement kinds by name, as JSON spells them.
#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks for it")]
fn kind_name<S: Serializer>(kind: &StatementKind, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(kind.name())
}

/// The names, for the schema.
#[derive(JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[expect(dead_code, reason = "it only describes what is read and written")]
enum KindName {
    Intent,
    Interaction,
    SessionSeal,
    Configuration,
    CredentialEvent,
    Disclosure,
    Erasure,
    DeclaredLoss,
    Finding,
    Heartbeat,
    Hold,
}
