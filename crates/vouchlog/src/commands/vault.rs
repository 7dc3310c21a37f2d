//! `vouchlog vault`: a vault's principals, retention classes and key.

use std::time::Duration;

use clap::Subcommand;
use serde_json::{Value, json};
use vouchlog_vault::{KeySource, Role, Roles, Vault};

use super::custody::{self, VaultArgs};
use crate::output::{self, Outcome, Output};

/// Who may use a vault, how long it keeps records, and the key it is under
#[derive(clap::Args)]
#[command(
    after_help = "Examples:\n  vouchlog vault --vault vault grant ann --roles read-metadata,read-content > ann.token\n  \
                        vouchlog vault --vault vault retention fin --keep 63072000s\n  \
                        vouchlog vault --vault vault rewrap --to command:'pass vouchlog'\n\n\
                        As long as there is no principal, whoever holds the vault's key may do everything. Roles bind those who come with\n\
                        a token; who holds both the database and the key can read it without asking."
)]
pub(crate) struct Args {
    #[command(flatten)]
    vault: VaultArgs,
    #[command(subcommand)]
    what: What,
}

#[derive(Subcommand)]
enum What {
    /// Let somebody in; prints a token, once
    Grant {
        /// By which name they go on record
        name: String,
        /// What they may do: submit, read-metadata, read-content, disclose, erase, admin
        #[arg(long, value_name = "ROLE,...", value_delimiter = ',', required = true, value_parser = role)]
        roles: Vec<Role>,
    },
    /// Let somebody in no more
    Revoke {
        /// Who
        name: String,
    },
    /// Who is let in, and for what
    Principals,
    /// How long a class of records must be kept at least; without a name, all classes
    Retention {
        /// The class, as records name it in custody.retention
        class: Option<String>,
        /// How long, such as 4380h
        #[arg(long, value_name = "DURATION", value_parser = super::duration, requires = "class")]
        keep: Option<Duration>,
    },
    /// Read everything for damage: the structure of the database, and of every record its sums and sealed parts. Exit status 1 means
    /// that something is damaged
    Check,
    /// Rewrite the database so that nothing of what was erased is left in its unused pages; takes a while on a large one
    Compact,
    /// Put the vault under another key; old backups become unreadable once the old key is destroyed
    Rewrap {
        /// The new key: file:PATH, env:NAME or command:COMMAND
        #[arg(long, value_name = "SOURCE")]
        to: KeySource,
    },
}

fn role(name: &str) -> Result<Role, String> {
    Role::from_name(name).ok_or_else(|| {
        let names: Vec<_> = Role::ALL.iter().map(|role| role.name()).collect();
        format!("`{name}` is none of {}", names.join(", "))
    })
}

impl Args {
    pub(crate) async fn run(self, output: Output) -> anyhow::Result<Outcome> {
        let (vault, access) = match self.what {
            What::Check => self.vault.open().await?,
            _ => self.vault.open_or_create().await?,
        };
        let (words, answer) = match self.what {
            What::Grant { name, roles } => {
                let roles: Roles = roles.into_iter().collect();
                let granted = vault.grant(&access, &name, roles, custody::now_millis()).await;
                let token = granted.map_err(custody::advise_vault)?.reveal();
                // The one place that shows a token: it is what was asked for.
                (token.to_string(), json!({ "name": name, "token": *token }))
            }
            What::Revoke { name } => {
                vault.revoke(&access, &name).await.map_err(custody::advise_vault)?;
                (format!("{name} is let in no more"), json!({ "revoked": name }))
            }
            What::Principals => {
                let principals = vault.principals(&access).await.map_err(custody::advise_vault)?;
                let roles = |roles: Roles| roles.iter().map(Role::name).collect::<Vec<_>>();
                let mut lines: Vec<String> = principals
                    .iter()
                    .map(|principal| format!("{}  {}", principal.name, roles(principal.roles).join(", ")))
                    .collect();
                if lines.is_empty() {
                    lines.push("none: whoever holds the key may do everything".to_owned());
                }
                let principals: Vec<Value> = principals
                    .iter()
                    .map(|principal| json!({ "name": principal.name, "roles": roles(principal.roles) }))
                    .collect();
                (lines.join("\n"), json!({ "principals": principals }))
            }
            What::Retention { class: Some(class), keep: Some(keep) } => {
                vault.set_retention(&access, &class, keep).await.map_err(custody::advise_vault)?;
                (
                    format!("{class} is kept for {} days at least", keep.as_secs() / 86_400),
                    json!({ "class": class, "seconds": keep.as_secs() }),
                )
            }
            What::Retention { class, .. } => {
                let mut classes = vault.retention_classes(&access).await.map_err(custody::advise_vault)?;
                classes.retain(|(name, _)| class.as_ref().is_none_or(|class| class == name));
                shown(&classes)
            }
            What::Check => return check(&vault, output).await,
            What::Compact => {
                let rewriting = output::waiting("rewriting the database");
                let done = vault.compact(&access).await;
                rewriting.finish_and_clear();
                done.map_err(custody::advise_vault)?;
                ("the database was rewritten".to_owned(), json!({ "compacted": true }))
            }
            What::Rewrap { to } => {
                let key = to.load_or_create().map_err(custody::advise_vault)?;
                vault.rewrap(&access, key).await.map_err(custody::advise_vault)?;
                (
                    "the vault is under the new key: use it from now on".to_owned(),
                    json!({ "rewrapped": true }),
                )
            }
        };
        output.answer(&words, &answer)?;
        Ok(Outcome::Fine)
    }
}

/// Retention classes in words and as JSON.
fn shown(classes: &[(String, Duration)]) -> (String, Value) {
    let lines: Vec<String> =
        classes.iter().map(|(name, keep)| format!("{name}  {} days", keep.as_secs() / 86_400)).collect();
    let classes: Vec<Value> =
        classes.iter().map(|(name, keep)| json!({ "class": name, "seconds": keep.as_secs() })).collect();
    let words = if lines.is_empty() { "no such class".to_owned() } else { lines.join("\n") };
    (words, json!({ "classes": classes }))
}

/// Reads the whole vault, as fast as the disk gives it.
async fn check(vault: &Vault, output: Output) -> anyhow::Result<Outcome> {
    let bar = output::progress(0, "records");
    let checked = vault.check(None, |progress| {
        bar.set_length(progress.of);
        bar.set_position(progress.records);
    });
    let damage = checked.await.map_err(custody::advise_vault)?;
    let records = bar.position();
    bar.finish_and_clear();
    let answer = json!({ "sound": damage.is_empty(), "records": records, "damage": damage });
    if damage.is_empty() {
        let records = output::count(records, "record is", "records are");
        output.answer(&format!("{records} whole in {}", vault.location()), &answer)?;
        return Ok(Outcome::Fine);
    }
    output.answer(&format!("DAMAGED: {}\n  {}", vault.location(), damage.join("\n  ")), &answer)?;
    Ok(Outcome::Finding)
}
