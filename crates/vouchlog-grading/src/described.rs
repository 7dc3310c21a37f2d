//! What the description of a credential or a decision says of it, for all who compare them.

use jiff::Timestamp;
use vouchlog_record::{Credential, DeterminingPolicy, Field, PolicyDecision, is_collapsed_secret};

use crate::field_view::{FieldView, view};

/// The id of a credential. One that was taken for a secret, and replaced by a text that all of them share, identifies none.
pub(crate) fn id_of(credential: &Credential) -> FieldView<'_, String> {
    match view(&credential.id).text() {
        FieldView::Value(id) if is_collapsed_secret(id) => FieldView::Withheld,
        id => id,
    }
}

/// From when a credential may be used: not before it was issued, and not before its `nbf`.
pub(crate) fn begin_of(credential: &Credential) -> Option<Timestamp> {
    credential.nbf.value().into_iter().chain(credential.iat.value()).max().copied()
}

/// The policies that a decision names as those that determined it.
pub(crate) fn determining(decision: &PolicyDecision) -> &[DeterminingPolicy] {
    decision.determining.value().map(Vec::as_slice).unwrap_or_default()
}

/// Whether a decision shows which text of the policy decided: by a digest or a version of its own, or of each policy that determined
/// it.
pub(crate) fn is_pinned(decision: &PolicyDecision) -> bool {
    fn has_version(version: &Field<String>) -> bool {
        view(version).text().value().is_some()
    }
    let policies = determining(decision);
    let is_each = !policies.is_empty()
        && policies.iter().all(|policy| policy.digest.value().is_some() || has_version(&policy.version));
    decision.digest.value().is_some() || has_version(&decision.version) || is_each
}
