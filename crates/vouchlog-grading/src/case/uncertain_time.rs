//! A moment by a clock that may be off, beside a credential's window, its status check and its revocation.

use jiff::{SignedDuration, Timestamp};
use vouchlog_record::{CredentialStatus, StatusResult};

use crate::context::Revocation;
use crate::terms::Cause;

/// A moment by a clock that may be off.
pub(crate) struct UncertainTime<'a> {
    pub(crate) what: &'a str,
    pub(crate) at: Timestamp,
    pub(crate) error: SignedDuration,
}

impl UncertainTime<'_> {
    pub(crate) fn earliest(&self) -> Timestamp {
        self.at.checked_sub(self.error).unwrap_or(Timestamp::MIN)
    }

    pub(crate) fn latest(&self) -> Timestamp {
        self.at.checked_add(self.error).unwrap_or(Timestamp::MAX)
    }

    /// The use and the time it is compared with, to the second; to the millisecond where both fall into one second.
    fn beside(&self, other: Timestamp) -> (String, String) {
        let digits = if self.at.as_second() == other.as_second() && self.at != other { 3 } else { 0 };
        (format!("{} at {:.digits$}", self.what, self.at), format!("{other:.digits$}"))
    }

    pub(super) fn within(
        &self,
        begin: Option<Timestamp>,
        exp: Option<Timestamp>,
        fault: &mut impl FnMut(&'static str, Cause, String),
    ) {
        let error = self.error;
        if let Some(begin) = begin {
            let (used, start) = self.beside(begin);
            if self.latest() < begin {
                let text = format!("{used} was before the credential became valid at {start}");
                fault("R13", Cause::Wrong, text);
            } else if self.earliest() < begin {
                let text = format!(
                    "{used} is too close to the start of validity, {start}, for a clock error of up to {error:#}"
                );
                fault("R14i", Cause::Wrong, text);
            }
        }
        if let Some(exp) = exp {
            let (used, end) = self.beside(exp);
            if self.earliest() >= exp {
                let text = format!("{used} was at or after the credential's expiry, {end}");
                fault("R14", Cause::Wrong, text);
            } else if self.latest() >= exp {
                let text =
                    format!("{used} is too close to the expiry, {end}, for a clock error of up to {error:#}");
                fault("R14i", Cause::Wrong, text);
            }
        }
    }

    pub(super) fn status(
        &self,
        status: &CredentialStatus,
        issued: Option<Timestamp>,
        max_age: SignedDuration,
        fault: &mut impl FnMut(&'static str, Cause, String),
    ) {
        let (what, at) = (self.what, self.at);
        let checked = status.checked_at.value().copied();
        if matches!(status.result.value(), Some(StatusResult::Revoked | StatusResult::Suspended)) {
            // A look-up after the use says nothing of the use.
            let cause = if checked.is_none_or(|checked| checked > self.latest()) {
                Cause::Unknown
            } else {
                Cause::Wrong
            };
            fault(
                "R18",
                cause,
                format!(
                    "the status check returned that the credential is not in force, for {what} at {at:.0}"
                ),
            );
        }
        let Some(checked) = checked else { return };
        // An issuer's clock is not the recorder's, and counts whole seconds.
        let checked_by = checked.checked_add(self.error).unwrap_or(Timestamp::MAX);
        if let Some(issued) = issued.filter(|issued| checked_by.as_second() < issued.as_second()) {
            let text = format!(
                "the status check at {checked:.0} for {what} was before the credential was issued at {issued:.0}"
            );
            fault("R17", Cause::Wrong, text);
        }
        if checked > self.latest() {
            let (used, checked) = self.beside(checked);
            fault("R17", Cause::Wrong, format!("{used} was before the status check at {checked}"));
        } else if at.duration_since(checked) > max_age {
            let (used, checked) = self.beside(checked);
            let text = format!("{used} was more than {max_age:#} after the status check at {checked}");
            fault("R17", Cause::Wrong, text);
        }
    }

    pub(super) fn revoked(
        &self,
        revocation: Option<&Revocation>,
        fault: &mut impl FnMut(&'static str, Cause, String),
    ) {
        let Some(Revocation { from, by }) = revocation else { return };
        let (used, since) = self.beside(*from);
        let by = by.as_ref().map(|by| format!(" (record {by})")).unwrap_or_default();
        if self.earliest() >= *from {
            let text = format!("{used} was at or after the credential's revocation at {since}{by}");
            fault("R18", Cause::Wrong, text);
        } else if self.latest() >= *from {
            let error = self.error;
            let text = format!(
                "{used} is too close to the revocation at {since}{by} for a clock error of up to {error:#}"
            );
            fault("R18", Cause::Unknown, text);
        }
    }
}
