//! R22, R83: whether a credential is bound to its holder, and whether its holder used it.

use vouchlog_record::{Credential, CredentialBinding};

use crate::case::Case;
use crate::field_view::{FieldView, view};
use crate::rule::Reporter;

const fn is_free(binding: CredentialBinding) -> bool {
    matches!(binding, CredentialBinding::None | CredentialBinding::Bearer)
}

/// R22.
pub(super) fn unbound(case: &Case<'_>, report: &mut Reporter<'_>) {
    if !case.requirements.proof_of_possession {
        return;
    }
    for (at, credential) in &case.credentials {
        let binding = view(&credential.binding);
        let message = "how the credential is bound to its holder is not recorded";
        match report.require(binding, &format!("{at}/binding"), message) {
            Some(binding) if is_free(*binding) => {
                report.wrong([format!("{at}/binding")], "nothing binds the credential to its holder");
            }
            _ => {}
        }
    }
    let chain = view(&case.body.authority).then(|authority| &authority.chain);
    for (place, hop) in chain.value().into_iter().flatten().enumerate() {
        let confirmation = hop.delegation().and_then(|delegation| delegation.confirmation.value());
        if confirmation.is_some_and(|binding| is_free(*binding)) {
            let at = format!("/authority/chain/{place}/confirmation");
            report.wrong([at], "nothing binds the delegation to its actor");
        }
    }
}

/// R83. A credential of which the binding is not known may need its key. Whether a proof has to be on record depends on the profile; that
/// there was none is a finding in each.
pub(super) fn unproven(case: &Case<'_>, report: &mut Reporter<'_>) {
    for (at, credential) in case.credentials.iter().filter(|(_, credential)| may_need_key(credential)) {
        let at = format!("{at}/proof_verified");
        match view(&credential.proof_verified) {
            FieldView::Value(true) => {}
            FieldView::Value(false) => {
                let message = "the credential is bound to a key, and was used without proof of possession";
                report.wrong([at], message);
            }
            _ if !case.requirements.proof_of_possession => {}
            FieldView::Withheld => report.unknown([at.as_str()], format!("{at} is withheld")),
            FieldView::Absent | FieldView::NotApplicable => {
                let message = "whether the credential's user proved to have the key that it is bound to is not recorded";
                report.unknown([at], message);
            }
        }
    }
}

fn may_need_key(credential: &Credential) -> bool {
    match view(&credential.binding) {
        FieldView::Value(binding) => !is_free(*binding),
        FieldView::NotApplicable => false,
        FieldView::Absent | FieldView::Withheld => true,
    }
}
