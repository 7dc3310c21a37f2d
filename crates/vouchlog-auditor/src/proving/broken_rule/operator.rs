//! What given entries show about the operator's key. A change that is left out must accuse nobody: a signature of a key that is not known here
//! may be that of a later key, unless every entry before is there.

use vouchlog_merkle::LeafIndex;
use vouchlog_note::{UnverifiedNote, VerifyingKey};
use vouchlog_stream::{
    Enrolment, Entry, OperatorError, OperatorNote, Operators, Quota, Revocation, TextError,
};

use super::BrokenRule;

impl BrokenRule<'_> {
    /// The operator's keys, as far as the entries before `index` show them; `None` without genesis.
    pub(super) fn operators(&self, index: u64) -> Option<Operators> {
        let mut operators = Operators::new(self.genesis()?.operator);
        for (at, entry) in self.decoded(..index) {
            if let Entry::OperatorChanged { note, .. } = entry {
                // One that does not follow from those before is a fault of its own, or what it follows was left out.
                let _ = operators.take(LeafIndex::new(at), &note, &self.log.origin);
            }
        }
        Some(operators)
    }

    /// Whether no key that can have been in force signed the note, or its text is one that no key may sign.
    pub(super) fn is_by_no_operator(
        &self,
        index: u64,
        note: &str,
        operators: &Operators,
        error: &TextError,
    ) -> bool {
        !matches!(error, TextError::Note(_)) || self.knows_signers(index, note, operators)
    }

    /// Whether every signature in the note that could be an operator's is by a key that is known here.
    /// SPEC: the operator's keys have one name, and each has its own id.
    fn knows_signers(&self, index: u64, note: &str, operators: &Operators) -> bool {
        let Ok(note) = UnverifiedNote::parse(note.as_bytes()) else { return true };
        self.has_all(0, index)
            || note.lines().iter().all(|line| {
                line.name() != operators.key().name() || operators.terms().any(|term| line.is_by(&term.key))
            })
    }

    /// Whether the entry is signed by an operator's key that was replaced before, and by none that could be in force.
    pub(super) fn retired_operator_key(&self, index: u64, entry: &Entry, operators: &Operators) -> bool {
        let (Entry::GatewayEnrolled { note, .. }
        | Entry::GatewayRevoked { note, .. }
        | Entry::QuotaSet { note, .. }) = entry
        else {
            return false;
        };
        let log = &self.log.origin;
        let is_by = |key: &VerifyingKey| match entry {
            Entry::GatewayEnrolled { .. } => Enrolment::open(note, log, key).is_ok(),
            Entry::GatewayRevoked { .. } => Revocation::open(note, log, key).is_ok(),
            _ => Quota::open(note, log, key).is_ok(),
        };
        let mut retired = operators.terms().filter(|term| operators.retired_by(&term.key).is_some());
        retired.any(|term| is_by(&term.key))
            && !is_by(operators.key())
            && self.knows_signers(index, note, operators)
    }

    /// Whether the change of the operator's key at `index` cannot have been let in.
    pub(super) fn bad_operator_change(&self, index: u64, entry: &Entry, operators: &Operators) -> bool {
        let Entry::OperatorChanged { note, .. } = entry else { return false };
        let log = &self.log.origin;
        let Err(error) = operators.open(note, log) else { return false };
        if self.has_all(0, index) {
            return true;
        }
        match error {
            // What the note itself shows needs no other entry.
            OperatorError::Text(TextError::Note(_)) => !OperatorNote::is_signed_by_named(note, log),
            OperatorError::Text(_) | OperatorError::UsedBefore(_) => true,
            OperatorError::NotInForce { .. } => {
                OperatorNote::replaced(note, log).is_some_and(|key| operators.retired_by(&key).is_some())
            }
            _ => false,
        }
    }
}
