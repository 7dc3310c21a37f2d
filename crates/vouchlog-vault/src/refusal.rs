//! Why a record must not be erased.

use std::fmt;

use vouchlog_record::RecordId;

/// A record that must not be erased.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// Which.
    pub record: RecordId,
    /// Why.
    pub why: Why,
}

/// Why a record must not be erased.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Why {
    /// It is under this legal hold.
    LegalHold(String),
    /// There is a duty to keep it until then, in milliseconds since 1970-01-01 UTC.
    Duty(i64),
    /// There is a duty to keep it, and for how long is not known: nobody set a period for its retention class, and the class is none
    /// itself.
    UnknownDuty(String),
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let record = &self.record;
        match &self.why {
            Why::LegalHold(name) => write!(f, "record {record} is under the legal hold `{name}`"),
            Why::Duty(until) => match jiff::Timestamp::from_millisecond(*until) {
                Ok(until) => write!(f, "record {record} must be kept until {until:.0}"),
                Err(_) => write!(f, "record {record} must be kept indefinitely"),
            },
            Why::UnknownDuty(class) => write!(
                f,
                "record {record} must be kept, and for how long is not known: no period is set for the retention class `{class}`"
            ),
        }
    }
}
