//! `vouchlog vault`: a vault's principals, retention classes and key.

use std::time::Duration;

use clap::Subcommand;
use serde_json::{Value, json};
use vouchlog_desk::{
    GrantPrincipal, Granted, ListPrincipals, ListRetention, PrincipalRows, RetentionClass, RetentionClasses,
    RetentionSet, RevokePrincipal, Revoked, SetRetention,
};
use vouchlog_vault::{Role, Vault, VaultKeySource};

use super::custody::{self, VaultArgs};
use super::desk::OpenDesk;
use super::running::shutdown_signal;
use crate::advice::Advice;
use crate::output::{self, Outcome, Output};

mod case;
mod export;
mod lists;
mod review;
mod searches;
mod serve;
mod show;

use case::CaseArgs;
use export::ExportArgs;
use lists::{DisclosuresArgs, IdentitiesArgs, SessionsArgs};
use review::{DecideArgs, DecisionsArgs, FindingsArgs};
use searches::SearchArgs;
pub(crate) use serve::ServeArgs;
use show::ShowArgs;

/// List what a vault has, review findings, export; manage who may use it, how long it keeps records, and its key
#[derive(clap::Args)]
#[command(
    after_help = "Examples:\n  vouchlog vault --vault vault grant root --roles admin --all-tenants > root.token\n  \
                        vouchlog vault --vault vault --vault-token root.token --tenant acme grant ann --roles read-metadata > ann.token\n  \
                        vouchlog vault --vault vault retention fin --keep 7y\n  \
                        vouchlog vault --vault vault rewrap --to command:'pass vouchlog'\n  \
                        vouchlog vault --vault vault rewrap --to aws-kms:alias/vault\n  \
                        vouchlog vault --vault vault --vault-key aws-kms:alias/vault check\n\n\
                        Places of the vault's key (--vault-key):\n  \
                        file:PATH         a file with 64 hexadecimal digits or base64; made on first use\n  \
                        env:NAME          an environment variable\n  \
                        credential:NAME   a credential that systemd passes to the service\n  \
                        command:COMMAND   what `sh -c COMMAND` prints\n  \
                        pkcs11:URI        an AES key of a token (RFC 7512) wraps the vault's key; the PIN is named with\n                    \
                        pin-source=file:PATH or env:NAME\n  \
                        aws-kms:KEY       a symmetric key of AWS KMS wraps it\n  \
                        gcp-kms:NAME      a symmetric key of Google Cloud KMS wraps it\n\
                        A key that is wrapped is in vault.key.wrapped in the vault's directory, or in the file that is named after the place\n\
                        and a space: 'aws-kms:alias/vault /etc/vouchlog/vault.key.wrapped'. It is made on first use, and unwrapped at each start.\n\
                        Keep a copy of it: without the file, or without the key that wraps, the vault cannot be read.\n\n\
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
        /// Its roles: submit, read-metadata, read-content, disclose, erase, admin, review
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
    /// List sessions by what their records have, those with the newest records first
    Sessions(Box<SessionsArgs>),
    /// Save searches for sessions under names of your own, list and delete them
    Search(SearchArgs),
    /// List findings that are open, explained or accepted, or count them by rule
    Findings(Box<FindingsArgs>),
    /// Explain or accept findings, or open them again; the log records who decided, and why
    Decide(Box<DecideArgs>),
    /// List decisions about findings, the newest first
    Decisions(DecisionsArgs),
    /// Group sessions, holds, notes and disclosures under a name; the log records each step
    Case(Box<CaseArgs>),
    /// List people, agents, credentials or tools, or show what one of them was used with
    Identities(IdentitiesArgs),
    /// List who read content and what was disclosed to whom, the newest first
    Disclosures(DisclosuresArgs),
    /// Export records, sessions, findings or disclosures to a file, or to a URL
    Export(Box<ExportArgs>),
    /// Show one record. Its content is shown for a reason, which the log records first
    Show(Box<ShowArgs>),
    /// Serve the vault to other machines: the one process that has its key
    Serve(Box<ServeArgs>),
    /// Check everything for damage: the structure of the database, and the checksums and encrypted parts of every record. Exit status 1 means
    /// that something is damaged
    Check,
    /// Rewrite the database so that its unused pages hold no erased data; slow on a large vault
    Compact,
    /// Rewrap the vault under another key; old backups become unreadable once the old key is destroyed
    Rewrap {
        /// The new key, as for --vault-key; a key file or a wrapped key that is not there is made
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
    /// The server, if that is what runs.
    pub(crate) fn server(&self) -> Option<&ServeArgs> {
        match &self.what {
            What::Serve(serve) => Some(serve),
            _ => None,
        }
    }

    pub(crate) async fn run(self, output: Output) -> anyhow::Result<Outcome> {
        let (words, answer) = match self.what {
            What::Serve(serve) => return serve.run_until(self.vault, shutdown_signal()?, output).await,
            What::Show(show) => return show.run(&self.vault, output).await,
            What::Sessions(sessions) => return sessions.run(&self.vault, output).await,
            What::Search(search) => return search.run(&self.vault, output).await,
            What::Findings(findings) => return findings.run(&self.vault, output).await,
            What::Decide(decide) => return decide.run(&self.vault, output).await,
            What::Decisions(decisions) => return decisions.run(&self.vault, output).await,
            What::Case(case) => return case.run(&self.vault, output).await,
            What::Identities(identities) => return identities.run(&self.vault, output).await,
            What::Disclosures(disclosures) => return disclosures.run(&self.vault, output).await,
            What::Export(export) => return export.run(&self.vault, output).await,
            What::Check => return check(&self.vault.open().await?.0, output).await,
            What::Compact => {
                let (vault, access) = self.vault.open().await?;
                let rewriting = output::waiting("rewriting the database");
                let done = vault.compact(&access).await;
                rewriting.finish_and_clear();
                done.map_err(custody::advise_vault)?;
                ("the database was rewritten".to_owned(), json!({ "compacted": true }))
            }
            What::Rewrap { to } => {
                let (vault, access) = self.vault.open().await?;
                let to = match self.vault.directory() {
                    Some(dir) => to.beside(dir),
                    None => to,
                };
                let key = vault.load_or_create_key(&to).map_err(custody::advise_vault)?;
                vault.rewrap(&access, key).await.map_err(custody::advise_vault)?;
                (
                    "the vault was rewrapped: use the new key from now on".to_owned(),
                    json!({ "rewrapped": true }),
                )
            }
            asked => {
                let desk = OpenDesk::managing(&self.vault).await?;
                let done = ask(&desk, asked, &self.vault.tenant).await;
                desk.close().await;
                done?
            }
        };
        output.answer(&words, &answer)?;
        Ok(Outcome::Fine)
    }
}

/// What is asked of a desk: principals and retention.
async fn ask(desk: &OpenDesk, what: What, tenant: &str) -> anyhow::Result<(String, Value)> {
    Ok(match what {
        What::Grant { name, roles, all_tenants } => {
            if roles.contains(&Role::Admin) && !all_tenants {
                let problem = "the role admin concerns every tenant";
                return Err(Advice::error(problem, "add --all-tenants"));
            }
            let tenant = (!all_tenants).then(|| tenant.to_owned());
            let roles = roles.into_iter().map(|role| role.name().to_owned()).collect();
            let Granted { name, tenant, token } = desk.ask(GrantPrincipal { name, roles, tenant }).await?;
            // The one place that shows a token: it is what was asked for.
            (token.clone(), json!({ "name": name, "tenant": tenant, "token": token }))
        }
        What::Revoke { name } => {
            let Revoked { revoked } = desk.ask(RevokePrincipal { name }).await?;
            (format!("{revoked} has been revoked"), json!({ "revoked": revoked }))
        }
        What::Principals => {
            let PrincipalRows { principals } = desk.ask(ListPrincipals::default()).await?;
            let of = |tenant: &Option<String>| {
                tenant.as_ref().map_or_else(|| "every tenant".to_owned(), |tenant| format!("tenant {tenant}"))
            };
            let mut lines: Vec<String> = principals
                .iter()
                .map(|one| format!("{}  {}  {}", one.name, of(&one.tenant), one.roles.join(", ")))
                .collect();
            if lines.is_empty() {
                lines.push("none: any holder of the key may do everything".to_owned());
            }
            (lines.join("\n"), json!({ "principals": principals }))
        }
        What::Retention { class: Some(class), keep: Some(keep) } => {
            let RetentionSet { class, seconds } =
                desk.ask(SetRetention { class, seconds: keep.as_secs() }).await?;
            (
                format!("{class} is kept for at least {}", days(seconds)),
                json!({ "class": class, "seconds": seconds }),
            )
        }
        What::Retention { class, .. } => {
            let RetentionClasses { mut classes } = desk.ask(ListRetention::default()).await?;
            classes.retain(|known| class.as_ref().is_none_or(|class| *class == known.class));
            shown(&classes)
        }
        _ => unreachable!("these are not asked of a desk here"),
    })
}

/// Where the log has a record, in words.
fn entry(index: Option<u64>) -> String {
    index.map_or_else(|| "not logged yet".to_owned(), |index| format!("index {index}"))
}

/// A retention period in whole days.
fn days(seconds: u64) -> String {
    output::count(seconds / 86_400, "day", "days")
}

/// Retention classes in words and as JSON.
fn shown(classes: &[RetentionClass]) -> (String, Value) {
    let lines: Vec<String> =
        classes.iter().map(|known| format!("{}  {}", known.class, days(known.seconds))).collect();
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
