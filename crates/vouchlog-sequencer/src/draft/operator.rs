//! The operator's key in a batch: changed, recovered, and held against what it signed.

use vouchlog_api::{Error, ErrorKind, Result};
use vouchlog_merkle::LeafIndex;
use vouchlog_note::{KeyName, Origin, Policy, VerifyingKey};
use vouchlog_stream::{Entry, OperatorError, OperatorNote, Operators, TextError, WitnessRotation};

use super::Draft;
use crate::queue::{Done, SignedEnrolment};
use crate::state::Shared;

/// Who the log is, and whose cosignatures it asks for.
pub(crate) struct Parties<'a> {
    pub(crate) log: &'a Origin,
    pub(crate) log_keys: &'a [VerifyingKey],
    pub(crate) policy: Option<&'a Policy>,
}

impl<'a> Parties<'a> {
    pub(crate) fn of<S>(shared: &'a Shared<S>) -> Self {
        Self { log: &shared.origin, log_keys: &shared.log_keys, policy: shared.policy.as_ref() }
    }
}

fn is_witness_rotation(note: &str) -> bool {
    note.lines().next() == Some(WitnessRotation::TITLE)
}

impl Draft<'_> {
    /// Takes up a change of the operator's key, of its recovery key or of a witness's. One that the log has changes nothing.
    pub(crate) fn change_key(&mut self, note: String, parties: &Parties<'_>) -> Result<Done> {
        if let Some(done) = self.check_key_change(&note, parties)? {
            return Ok(done);
        }
        self.check_not_retired()?;
        let index = self.next();
        if is_witness_rotation(&note) {
            return self.rotate_witness(note, index);
        }
        let mut operators = self.operators()?.clone();
        operators.take(index, &note, parties.log).map_err(refused)?;
        self.push(&Entry::OperatorChanged { logged_at: self.now, note });
        self.operators = Some(operators);
        Ok(Done::KeyChanged(index))
    }

    /// Whether a change may come next. The answer is there already if the log has it.
    pub(crate) fn check_key_change(&self, note: &str, parties: &Parties<'_>) -> Result<Option<Done>> {
        if is_witness_rotation(note) {
            self.check_witness_rotation(note, parties.policy)
        } else {
            self.check_operator_change(note, parties.log, parties.log_keys)
        }
    }

    fn check_operator_change(
        &self,
        note: &str,
        log: &Origin,
        log_keys: &[VerifyingKey],
    ) -> Result<Option<Done>> {
        let operators = self.operators()?;
        let opened = match operators.open(note, log) {
            Ok(opened) => opened,
            Err(error) => match operators.applied(note, log) {
                Some(index) => return Ok(Some(Done::KeyChanged(index))),
                None => return Err(refused(error)),
            },
        };
        let new = match &opened {
            OperatorNote::Change(change) => &change.operator,
            OperatorNote::Recovery(named) => &named.recovery,
        };
        KeyName::for_new_key(new.name().as_str())
            .map_err(|error| Error::invalid(format!("the key cannot be used: {error}")))?;
        // A key serves one role.
        let gateways = self.committed.gateways.keys().chain(self.gateways.keys());
        if gateways.chain(log_keys).any(|key| key.public_key() == new.public_key()) {
            return Err(Error::invalid("the key is the log's or a gateway's: make a key of its own"));
        }
        Ok(None)
    }

    /// The key that an operator's note was verified with is still the operator's.
    pub(crate) fn check_operator(&self, by: &VerifyingKey) -> Result<()> {
        match self.operators()?.retired_by(by) {
            None => Ok(()),
            Some(index) => Err(retired_operator(by, index)),
        }
    }

    /// An enrolment on the way, if the key that signed it is still the operator's.
    pub(super) fn by_operator<'e>(
        &self,
        enrolment: Option<&'e SignedEnrolment>,
    ) -> Option<&'e SignedEnrolment> {
        enrolment.filter(|enrolment| self.operators().is_ok_and(|operators| *operators.key() == enrolment.by))
    }

    fn operators(&self) -> Result<&Operators> {
        self.operators.as_ref().map_or_else(|| self.committed.operators(), Ok)
    }
}

/// What a key of the operator that was replaced can no longer do.
pub(crate) fn retired_operator(key: &VerifyingKey, by: LeafIndex) -> Error {
    Error::new(
        ErrorKind::PermissionDenied,
        format!("the operator's key {} was replaced by entry {by}: sign with the new key", key.id()),
    )
}

fn refused(error: OperatorError) -> Error {
    let message = error.to_string();
    match error {
        OperatorError::Text(error) => note_error(error),
        OperatorError::NotInForce { .. } | OperatorError::NoRecoveryKey | OperatorError::TooMany { .. } => {
            Error::new(ErrorKind::FailedPrecondition, message)
        }
        _ => Error::invalid(message),
    }
}

/// A note that is not signed as it must be is a question of permission, any other fault one of form.
#[allow(clippy::needless_pass_by_value, reason = "used as the function of `map_err`")]
pub(crate) fn note_error(error: TextError) -> Error {
    let message = error.to_string();
    match error {
        TextError::Note(_) => Error::new(ErrorKind::PermissionDenied, message),
        _ => Error::invalid(message),
    }
}
