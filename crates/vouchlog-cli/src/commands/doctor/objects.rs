//! Whether the object store with the vault's content can be used, and what to do if not.

use serde::Serialize;
use vouchlog_vault::{Vault, VaultError};

use crate::commands::custody::advise_vault;

/// What is known of the object store of a vault.
#[derive(Debug, Serialize)]
pub(super) struct ObjectStore {
    /// Its URL, if it is known.
    url: Option<String>,
    state: State,
    /// Why it cannot be used.
    trouble: Option<String>,
    /// What to do next.
    next: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum State {
    /// It can be reached, is the vault's, and keeps the conditions of writes.
    Usable,
    /// It was not named, so it was not asked.
    NotChecked,
    /// It cannot be reached, or refuses requests.
    Unavailable,
    /// It is another vault's, or ignores the conditions of writes.
    Unusable,
}

/// Asks the object store. None for a vault that keeps all content in its database.
pub(super) async fn look(vault: &Vault) -> anyhow::Result<Option<ObjectStore>> {
    let of = |state, url: Option<String>, error: &VaultError, next: String| {
        Some(ObjectStore { url, state, trouble: Some(error.to_string()), next: Some(next) })
    };
    Ok(match vault.probe_objects().await {
        Ok(None) => None,
        Ok(Some(url)) => {
            Some(ObjectStore { url: Some(url), state: State::Usable, trouble: None, next: None })
        }
        Err(VaultError::NeedsObjects(url)) => {
            let next = format!("run `vouchlog doctor` again with --objects {url} to have it checked");
            of(State::NotChecked, Some(url.clone()), &VaultError::NeedsObjects(url), next)
        }
        Err(error @ VaultError::Objects(_)) => {
            let next = "check the URL of --objects, the network, and the credentials in the environment, which must allow reading, writing and deleting \
                        objects. Until it responds, long content is neither read nor kept; a collector keeps its input in the journal";
            of(State::Unavailable, None, &error, next.to_owned())
        }
        Err(error @ VaultError::ForeignObjects(_)) => {
            let next = "give --objects the URL that the vault began with, or a copy of it. If that store ignores conditions, copy its objects to one that \
                        keeps them, such as S3, GCS, Azure, MinIO or SeaweedFS 4.48, and give that one";
            of(State::Unusable, None, &error, next.to_owned())
        }
        Err(error) => return Err(advise_vault(error)),
    })
}

impl ObjectStore {
    /// Whether content cannot be read or kept. A store that was not asked is no finding.
    pub(super) fn is_critical(&self) -> bool {
        matches!(self.state, State::Unavailable | State::Unusable)
    }

    pub(super) fn words(&self) -> String {
        let verdict = match (&self.trouble, &self.url) {
            (Some(trouble), _) if self.state == State::NotChecked => format!("not checked: {trouble}"),
            (Some(trouble), _) => format!("critical: {trouble}"),
            (None, url) => format!(
                "{} can be reached, is the one of this vault, and keeps the conditions of writes",
                url.as_deref().unwrap_or_default()
            ),
        };
        let next = self.next.as_ref().map(|next| format!("\n  next: {next}")).unwrap_or_default();
        format!("objects\n  {verdict}{next}")
    }
}
