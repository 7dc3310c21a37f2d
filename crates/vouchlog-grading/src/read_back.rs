//! Reading grades that another process made: rules are named by their codes.

use serde::{Deserialize, Deserializer};
use vouchlog_record::RecordId;

use crate::rule::{Finding, Rule};
use crate::rules::rule;
use crate::terms::{Cause, Severity};
use crate::validity::Reason;

/// A finding as it is written.
#[derive(Deserialize)]
struct WrittenFinding {
    code: String,
    severity: Severity,
    cause: Cause,
    record: Option<RecordId>,
    at: Vec<String>,
    message: String,
}

/// A reason as it is written.
#[derive(Deserialize)]
struct WrittenReason {
    code: String,
    text: String,
}

impl<'de> Deserialize<'de> for Finding {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let WrittenFinding { code, severity, cause, record, at, message } =
            WrittenFinding::deserialize(deserializer)?;
        Ok(Self { rule: known::<D::Error>(&code)?, severity, cause, record, at, message })
    }
}

impl<'de> Deserialize<'de> for Reason {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let WrittenReason { code, text } = WrittenReason::deserialize(deserializer)?;
        Ok(Self { code: known::<D::Error>(&code)?.code, text })
    }
}

/// The rule of a code. One that this version does not have is an error: without its rule a finding says nothing.
fn known<E: serde::de::Error>(code: &str) -> Result<&'static Rule, E> {
    rule(code).ok_or_else(|| {
        E::custom("this version has no rule of this code: use the version that made the grade")
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use vouchlog_record::Record;

    use crate::{Context, Grade, grade};

    #[test]
    fn a_grade_is_read_back_as_it_was() {
        let record = json!({
            "kind": "interaction", "id": "r-1",
            "time": { "start": "2026-11-18T09:00:00Z" },
            "credential": { "id": "c-1", "exp": "2026-11-18T08:00:00Z" },
            "tools": [{ "name": "t", "call_id": "a", "start": "2026-11-18T09:00:01Z" }],
        });
        let graded = grade(&Record::from_value(record).unwrap().record, &Context::default());
        assert!(!graded.findings.is_empty() && !graded.validity.moments.is_empty());
        let written = serde_json::to_value(&graded).unwrap();
        assert_eq!(serde_json::from_value::<Grade>(written.clone()).unwrap(), graded);
        let mut unknown = written;
        unknown["findings"][0]["code"] = json!("R999");
        assert!(serde_json::from_value::<Grade>(unknown).is_err());
    }
}
