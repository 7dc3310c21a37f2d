//! What a credential's description says of it, for all who compare credentials.

use jiff::Timestamp;
use vouchlog_record::{Credential, is_collapsed_secret};

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
