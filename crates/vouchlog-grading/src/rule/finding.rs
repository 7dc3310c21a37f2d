//! What a rule finds, and how its check reports it.

use std::fmt;

use jiff::SignedDuration;
use serde::{Serialize, Serializer};
use vouchlog_record::{Profile, RecordId};

use crate::case::Case;
use crate::field_view::FieldView;
use crate::rule::Rule;
use crate::terms::{Cause, Definition, Severity};

/// Something a rule found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// The rule.
    pub rule: &'static Rule,
    /// How bad it is, under the record's profile. Indeterminate where that is not known.
    pub severity: Severity,
    /// Whether something is wrong, missing, or undetermined.
    pub cause: Cause,
    /// The record, where one is meant that has a name.
    pub record: Option<RecordId>,
    /// Where: JSON pointers into the record, or what else is meant, such as `stream 7`.
    pub at: Vec<String>,
    /// What was found, in words. Names fields and times; no content.
    pub message: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} ({})", self.rule.code, self.rule.name, self.severity)?;
        if let Some(record) = &self.record {
            write!(f, " in {record}")?;
        }
        write!(f, ": {}", self.message)?;
        if !self.at.is_empty() {
            write!(f, " [{}]", self.at.join(", "))?;
        }
        Ok(())
    }
}

impl Finding {
    /// What to do about it: to record what is missing; where a recorded value is wrong, what to change at its source. So it is with what
    /// is critical: an override or an approval that was never given cannot be recorded afterwards.
    pub fn remedy(&self) -> &'static str {
        let recording_helps = self.cause != Cause::Wrong && self.severity != Severity::Critical;
        if recording_helps { self.rule.remedy } else { self.rule.change() }
    }

    /// What another judge found, under the rule that it breaks: an audit, a check of canaries, a comparison with a vault or a provider.
    /// It is as bad as its judge rates it.
    pub fn reported(
        rule: &'static Rule,
        severity: Severity,
        place: impl Into<String>,
        message: impl Into<String>,
    ) -> Self {
        let (at, message) = (vec![place.into()], message.into());
        Self { rule, severity, cause: Cause::Wrong, record: None, at, message }
    }

    /// Whether it bears on the question whether all records are there.
    pub fn concerns_completeness(&self) -> bool {
        self.rule.serves.contains(&Definition::Completeness)
    }
}

impl Serialize for Finding {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        use serde::ser::SerializeStruct;
        let mut finding = serializer.serialize_struct("Finding", 7)?;
        finding.serialize_field("code", self.rule.code)?;
        finding.serialize_field("name", self.rule.name)?;
        finding.serialize_field("severity", &self.severity)?;
        finding.serialize_field("cause", &self.cause)?;
        finding.serialize_field("record", &self.record)?;
        finding.serialize_field("at", &self.at)?;
        finding.serialize_field("message", &self.message)?;
        finding.end()
    }
}

/// A duration as findings state it: rounded down to whole seconds.
pub(crate) fn whole_seconds(duration: SignedDuration) -> SignedDuration {
    SignedDuration::from_secs(duration.as_secs())
}

/// Reports what a rule finds.
pub(crate) struct Reporter<'a> {
    rule: &'static Rule,
    severity: Severity,
    record: Option<&'a RecordId>,
    findings: &'a mut Vec<Finding>,
}

impl<'a> Reporter<'a> {
    pub(crate) fn new(
        rule: &'static Rule,
        profile: Profile,
        record: Option<&'a RecordId>,
        findings: &'a mut Vec<Finding>,
    ) -> Self {
        Self { rule, severity: rule.severity_in(profile), record, findings }
    }

    /// The same rule, of one record of a set.
    pub(crate) fn of_record<'b>(&'b mut self, record: &'b RecordId) -> Reporter<'b> {
        Reporter { rule: self.rule, severity: self.severity, record: Some(record), findings: self.findings }
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
    pub(crate) fn require<'s, T>(
        &mut self,
        field: FieldView<'s, T>,
        at: &str,
        message: &str,
    ) -> Option<&'s T> {
        match field {
            FieldView::Value(value) => return Some(value),
            FieldView::Withheld => self.unknown([at], format!("{at} is withheld")),
            FieldView::Absent | FieldView::NotApplicable => self.missing([at], message),
        }
        None
    }

    /// The value, without which it cannot be told whether something is wrong. Where it is not applicable nothing is.
    pub(crate) fn known<'s, T>(&mut self, field: FieldView<'s, T>, at: &str) -> Option<&'s T> {
        match field {
            FieldView::Value(value) => return Some(value),
            FieldView::Withheld => self.unknown([at], format!("{at} is withheld")),
            FieldView::Absent => self.unknown([at], format!("not recorded: {at}")),
            FieldView::NotApplicable => {}
        }
        None
    }

    /// The uses of the credential that this rule finds fault with, as one finding.
    pub(crate) fn credential_uses(&mut self, case: &Case<'_>) {
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
