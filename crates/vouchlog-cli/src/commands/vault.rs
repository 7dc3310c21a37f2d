//! `vouchlog vault`: a vault's principals, retention classes and key.

use std::time::Duration;

use clap::Subcommand;
use serde_json::{Value, json};
use vouchlog_vault::{Role, Roles, Vault, VaultKeySource};

use super::custody::{self, VaultArgs};
use crate::advice::Advice;
use crate::output::{self, Outcome, Output};

/// Manage who may use a vault, how long it keeps records, and its key
#[derive(clap::Args)]
#[command(
    after_help = "Examples:\n  vouchlog vault --vault vault grant root --roles admin --all-tenants > root.token\n  \
                        vouchlog vault --vault vault --vault-token root.token --tenant acme grant ann --roles read-metadata > ann.token\n  \
                        vouchlog vault --vault vault retention fin --keep 7y\n  \
                        vouchlog vault --vault vault rewrap --to command:'pass vouchlog'\n\n\
                        Without principals, any holder of the vault's key may do everything. Roles restrict callers that authenticate with a\n\
                        token, to one tenant or with --all-tenants to all. The list of principals is sealed under the vault's key: who can write\n\
                        the database and does not have the key cannot change it. Roles do not protect against a holder of both."
)]
pub(crate) struct Args {
    #[command(flatten)]
    vault: VaultArgs,
    #[command(subcommand)]
    what: What,
}

#[derive(Subcommand)]
enum What {
    /// Grant access to a principal; prints a token, once
    Grant {
        /// The principal's name, as it is recorded
        name: String,
        /// Its roles: submit, read-metadata, read-content, disclose, erase, admin
        #[arg(long, value_name = "ROLE,...", value_delimiter = ',', required = true, value_parser = role)]
        roles: Vec<Role>,
        /// For every tenant; without it, for the one of --tenant. The role admin requires it
        #[arg(long)]
        all_tenants: bool,
    },
    /// Revoke a principal's access
    Revoke {
        /// The principal's name
        name: String,
    },
    /// List the principals and their roles
    Principals,
    /// Set or show how long a class of records must be kept; without a name, show all classes
    Retention {
        /// The class, as records name it in custody.retention
        class: Option<String>,
        /// Minimum retention period, such as 90d, 6mo, 7y or P7Y; a year counts 366 days and a month 31
        #[arg(long, value_name = "PERIOD", value_parser = crate::values::period, requires = "class")]
        keep: Option<Duration>,
    },
    /// Check everything for damage: the structure of the database, and the checksums and encrypted parts of every record. Exit status 1 means
    /// that something is damaged
    Check,
    /// Rewrite the database so that its unused pages hold no erased data; slow on a large vault
    Compact,
    /// Rewrap the vault under another key; old backups become unreadable once the old key is destroyed
    Rewrap {
        /// The new key: file:PATH, env:NAME or command:COMMAND
        #[arg(long, value_name = "SOURCE")]
        to: VaultKeySource,
    },
}

fn role(name: &str) -> Result<Role, String> {
    Role::from_name(name).ok_or_else(|| {
        let names: Vec<_> = Role::ALL.iter().map(|role| role.name()).collect();
        format!("`{name}` is not one of {}", names.join(", "))
    })
}

impl Args {
    pub(crate) async fn run(self, output: Output) -> anyhow::Result<Outcome> {
        let (vault, access) = match self.what {
            What::Check => self.vault.open().await?,
            _ => self.vault.open_or_create().await?,
        };
        let (words, answer) = match self.what {
            What::Grant { name, roles, all_tenants } => {
                let roles: Roles = roles.into_iter().collect();
                if roles.has(Role::Admin) && !all_tenants {
                    let problem = "the role admin concerns every tenant";
                    return Err(Advice::error(problem, "add --all-tenants"));
                }
                let tenant = (!all_tenants).then_some(self.vault.tenant.as_str());
                let granted = vault.grant(&access, &name, roles, tenant, custody::now_millis()).await;
                let token = granted.map_err(custody::advise_vault)?.reveal();
                // The one place that shows a token: it is what was asked for.
                (token.to_string(), json!({ "name": name, "tenant": tenant, "token": *token }))
            }
            What::Revoke { name } => {
                vault.revoke(&access, &name).await.map_err(custody::advise_vault)?;
                (format!("{name} has been revoked"), json!({ "revoked": name }))
            }
            What::Principals => {
                let principals = vault.principals(&access).await.map_err(custody::advise_vault)?;
                let roles = |roles: Roles| roles.iter().map(Role::name).collect::<Vec<_>>();
                let mut lines: Vec<String> = principals
                    .iter()
                    .map(|principal| {
                        let of = principal
                            .tenant
                            .as_ref()
                            .map_or_else(|| "every tenant".to_owned(), |tenant| format!("tenant {tenant}"));
                        format!("{}  {of}  {}", principal.name, roles(principal.roles).join(", "))
                    })
                    .collect();
                if lines.is_empty() {
                    lines.push("none: any holder of the key may do everything".to_owned());
                }
                let principals: Vec<Value> = principals
                    .iter()
                    .map(|principal| json!({ "name": principal.name, "tenant": principal.tenant, "roles": roles(principal.roles) }))
                    .collect();
                (lines.join("\n"), json!({ "principals": principals }))
            }
            What::Retention { class: Some(class), keep: Some(keep) } => {
                vault.set_retention(&access, &class, keep).await.map_err(custody::advise_vault)?;
                (
                    format!("{class} is kept for at least {}", days(keep)),
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
                    "the vault was rewrapped: use the new key from now on".to_owned(),
                    json!({ "rewrapped": true }),
                )
            }
        };
        output.answer(&words, &answer)?;
        Ok(Outcome::Fine)
    }
}

/// A retention period in whole days.
fn days(keep: Duration) -> String {
    output::count(keep.as_secs() / 86_400, "day", "days")
}

/// Retention classes in words and as JSON.
fn shown(classes: &[(String, Duration)]) -> (String, Value) {
    let lines: Vec<String> = classes.iter().map(|(name, keep)| format!("{name}  {}", days(*keep))).collect();
    let classes: Vec<Value> =
        classes.iter().map(|(name, keep)| json!({ "class": name, "seconds": keep.as_secs() })).collect();
    let words = if lines.is_empty() { "no such retention class".to_owned() } else { lines.join("\n") };
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
        output.answer(&format!("{records} intact in {}", vault.location()), &answer)?;
        return Ok(Outcome::Fine);
    }
    output.answer(&format!("DAMAGED: {}\n  {}", vault.location(), damage.join("\n  ")), &answer)?;
    Ok(Outcome::Finding)
}
