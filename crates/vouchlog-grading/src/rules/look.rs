//! How a check reads a record and reports findings.

use jiff::{SignedDuration, Timestamp};
use vouchlog_record::{
    Body, Commitment, Credential, Field, InitiatorKind, OutcomeState, PolicyDecision, Profile, Record,
    RecordId, Tool, ToolStatus,
};
use vouchlog_stream::StatementKind;

use super::{AskedOf, Cause, ProfileRequirements, Rule, Severity};
use crate::grade::Finding;
use crate::grade::context::Context;
use crate::validity::{self, Judged};

/// A duration as findings state it: rounded down to whole seconds.
pub(crate) fn whole_seconds(duration: SignedDuration) -> SignedDuration {
    SignedDuration::from_secs(duration.as_secs())
}

/// A field as a check sees it, the groups around it included: what is in a redacted group is redacted.
pub(crate) enum Seen<'a, T> {
    Value(&'a T),
    NotApplicable,
    Withheld,
    Absent,
}

impl<T> Clone for Seen<'_, T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for Seen<'_, T> {}

pub(crate) fn seen<T>(field: &Field<T>) -> Seen<'_, T> {
    match field {
        Field::Value(value) => Seen::Value(value),
        Field::NotApplicable => Seen::NotApplicable,
        Field::Redacted | Field::Erased => Seen::Withheld,
        Field::Absent => Seen::Absent,
    }
}

impl<'a, T> Seen<'a, T> {
    /// A field of this group.
    pub(crate) fn then<U>(self, get: impl FnOnce(&'a T) -> &'a Field<U>) -> Seen<'a, U> {
        match self {
            Self::Value(group) => seen(get(group)),
            Self::NotApplicable => Seen::NotApplicable,
            Self::Withheld => Seen::Withheld,
            Self::Absent => Seen::Absent,
        }
    }

    pub(crate) const fn value(self) -> Option<&'a T> {
        match self {
            Self::Value(value) => Some(value),
            _ => None,
        }
    }

    pub(crate) const fn is_withheld(self) -> bool {
        matches!(self, Self::Withheld)
    }

    pub(crate) const fn is_not_applicable(self) -> bool {
        matches!(self, Self::NotApplicable)
    }

    fn filled(self, is_empty: impl FnOnce(&T) -> bool) -> Self {
        match self {
            Self::Value(value) if is_empty(value) => Self::Absent,
            other => other,
        }
    }
}

impl Seen<'_, String> {
    /// An empty text says nothing.
    pub(crate) fn text(self) -> Self {
        self.filled(String::is_empty)
    }
}

impl<T> Seen<'_, Vec<T>> {
    /// An empty list where there must be something.
    pub(crate) fn list(self) -> Self {
        self.filled(Vec::is_empty)
    }
}

/// Whether two commitments are to the same content; `None` where that cannot be told, because each has a salt of its own or they
/// are made in different ways.
pub(crate) fn same_content(one: &Commitment, other: &Commitment) -> Option<bool> {
    let is_keyed = |commitment: &Commitment| commitment.as_str().starts_with("hmac-");
    if one == other { Some(true) } else { (is_keyed(one) && is_keyed(other)).then_some(false) }
}

/// A record under its rules.
pub(crate) struct Case<'a> {
    pub(crate) record: &'a Record,
    pub(crate) body: &'a Body,
    pub(crate) context: &'a Context,
    pub(crate) asks: &'static ProfileRequirements,
    /// Each use of the credential, and what is wrong with it.
    pub(crate) uses: Vec<Judged>,
}

impl<'a> Case<'a> {
    pub(crate) fn new(record: &'a Record, context: &'a Context) -> Self {
        let asks = ProfileRequirements::of(record.profile());
        let mut case = Self { record, body: &record.body, context, asks, uses: Vec::new() };
        case.uses = validity::judge(&case);
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

    /// How bad it is when this rule fires here.
    pub(crate) fn severity(&self, rule: &Rule) -> Severity {
        rule.severity_in(self.record.profile())
    }

    pub(crate) fn is_intent(&self) -> bool {
        self.record.kind == StatementKind::Intent
    }

    pub(crate) fn initiator_kind(&self) -> Seen<'a, InitiatorKind> {
        seen(&self.body.initiator).then(|initiator| &initiator.kind)
    }

    /// Whether `name` is the initiator, with or without who vouches for it.
    pub(crate) fn is_initiator(&self, name: &str) -> bool {
        let sub = seen(&self.body.initiator).then(|initiator| &initiator.sub).value();
        sub.is_some_and(|sub| sub == name) || self.record.initiator().is_some_and(|full| full == name)
    }

    /// Whether `name` could be the initiator, at an issuer that is not known.
    pub(crate) fn may_be_initiator(&self, name: &str) -> bool {
        let initiator = seen(&self.body.initiator);
        let sub = initiator.then(|initiator| &initiator.sub).value();
        let at_some_issuer = |sub: &String| name.rsplit_once('|').is_some_and(|(_, named)| named == sub);
        initiator.then(|initiator| &initiator.iss).value().is_none() && sub.is_some_and(at_some_issuer)
    }

    /// The credential, where there is one to look at. Where there is none one rule says so, and the others have nothing to add.
    pub(crate) fn credential(&self) -> Option<&'a Credential> {
        self.body.credential.value()
    }

    pub(crate) fn decisions(&self) -> impl Iterator<Item = (usize, &'a PolicyDecision)> + Clone {
        self.body.policy.value().map(Vec::as_slice).unwrap_or_default().iter().enumerate()
    }

    pub(crate) fn tools(&self) -> impl Iterator<Item = (usize, &'a Tool)> + Clone {
        self.body.tools.value().map(Vec::as_slice).unwrap_or_default().iter().enumerate()
    }

    /// Tool calls that were run, and those of which nobody says that they were not.
    pub(crate) fn run_tools(&self) -> impl Iterator<Item = (usize, &'a Tool)> + Clone {
        self.tools().filter(|(_, tool)| {
            !matches!(
                tool.status.value(),
                Some(ToolStatus::Proposed | ToolStatus::Denied | ToolStatus::Dropped)
            )
        })
    }

    pub(crate) fn outcome(&self) -> Seen<'a, OutcomeState> {
        seen(&self.body.outcome).then(|outcome| &outcome.state)
    }

    /// Whether it ended before it was done, so that there need be no answer.
    pub(crate) fn ended_early(&self) -> bool {
        self.outcome().value().is_some_and(|state| *state != OutcomeState::Executed)
    }

    pub(crate) fn time(
        &self,
        get: impl FnOnce(&'a vouchlog_record::Time) -> &'a Field<Timestamp>,
    ) -> Seen<'a, Timestamp> {
        seen(&self.body.time).then(get)
    }

    /// How far the recorder's clock may be off: what it says, or what is assumed.
    pub(crate) fn clock_error(&self) -> SignedDuration {
        let clock = seen(&self.body.time).then(|time| &time.clock);
        let told = clock.then(|clock| &clock.max_error_ms).value();
        told.map_or(self.context.assumed_clock_error(), |millis| {
            SignedDuration::from_millis(i64::try_from(*millis).unwrap_or(i64::MAX))
        })
    }
}

/// Takes down what a rule finds.
pub(crate) struct Found<'a> {
    rule: &'static Rule,
    severity: Severity,
    record: Option<&'a RecordId>,
    findings: &'a mut Vec<Finding>,
}

impl<'a> Found<'a> {
    pub(crate) fn new(
        rule: &'static Rule,
        profile: Profile,
        record: Option<&'a RecordId>,
        findings: &'a mut Vec<Finding>,
    ) -> Self {
        Self { rule, severity: rule.severity_in(profile), record, findings }
    }

    /// The same rule, of one record of a set.
    pub(crate) fn of<'b>(&'b mut self, record: &'b RecordId) -> Found<'b> {
        Found { rule: self.rule, severity: self.severity, record: Some(record), findings: self.findings }
    }

    fn add<P: Into<String>>(
        &mut self,
        cause: Cause,
        at: impl IntoIterator<Item = P>,
        message: impl Into<String>,
    ) {
        let severity = if cause == Cause::Unknown { Severity::Indeterminate } else { self.severity };
        let at = at.into_iter().map(Into::into).collect();
        let (rule, record) = (self.rule, self.record.cloned());
        self.findings.push(Finding { rule, severity, cause, record, at, message: message.into() });
    }

    /// What is there is wrong.
    pub(crate) fn wrong<P: Into<String>>(
        &mut self,
        at: impl IntoIterator<Item = P>,
        message: impl Into<String>,
    ) {
        self.add(Cause::Wrong, at, message);
    }

    /// What must be there is not.
    pub(crate) fn missing<P: Into<String>>(
        &mut self,
        at: impl IntoIterator<Item = P>,
        message: impl Into<String>,
    ) {
        self.add(Cause::Missing, at, message);
    }

    /// Not known.
    pub(crate) fn unknown<P: Into<String>>(
        &mut self,
        at: impl IntoIterator<Item = P>,
        message: impl Into<String>,
    ) {
        self.add(Cause::Unknown, at, message);
    }

    /// The value, which must be there. "Not applicable" will not do.
    pub(crate) fn require<'s, T>(&mut self, field: Seen<'s, T>, at: &str, message: &str) -> Option<&'s T> {
        match field {
            Seen::Value(value) => return Some(value),
            Seen::Withheld => self.unknown([at], format!("{at} is withheld")),
            Seen::Absent | Seen::NotApplicable => self.missing([at], message),
        }
        None
    }

    /// The value, without which it cannot be told whether something is wrong. Where it is not applicable nothing is.
    pub(crate) fn told<'s, T>(&mut self, field: Seen<'s, T>, at: &str) -> Option<&'s T> {
        match field {
            Seen::Value(value) => return Some(value),
            Seen::Withheld => self.unknown([at], format!("{at} is withheld")),
            Seen::Absent => self.unknown([at], format!("not recorded: {at}")),
            Seen::NotApplicable => {}
        }
        None
    }

    /// The uses of the credential that this rule finds fault with, as one finding.
    pub(crate) fn uses(&mut self, case: &Case<'_>) {
        for cause in [Cause::Wrong, Cause::Unknown] {
            let faults = case.uses.iter().flat_map(|judged| &judged.faults);
            let mut hits =
                faults.filter(|fault| fault.code == self.rule.code && fault.cause == cause).peekable();
            let Some(first) = hits.peek().map(|fault| fault.text.clone()) else { continue };
            let at: Vec<&str> = hits.map(|fault| fault.at.as_str()).collect();
            let more = match at.len() {
                1 => String::new(),
                2 => "; and 1 more use".to_owned(),
                n => format!("; and {} more uses", n - 1),
            };
            self.add(cause, at, format!("{first}{more}"));
        }
    }
}
