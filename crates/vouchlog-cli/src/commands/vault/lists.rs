//! Lists of a vault: sessions, identities, disclosures.

use jiff::Timestamp;
use serde_json::{Value, json};
use vouchlog_desk::{
    DisclosureRow, DisclosureRows, Identity, IdentityRow, IdentityRows, ListDisclosures, ListIdentities,
    ListSearches, ListSessions, SearchRow, SearchRows, SessionRow, SessionRows, ShowIdentity,
};
use vouchlog_record::{Facet, RecordId};
use vouchlog_session::plain;

use crate::advice::Advice;
use crate::commands::custody::VaultArgs;
use crate::commands::desk::OpenDesk;
use crate::commands::find;
use crate::output::{self, Outcome, Output};
use crate::values;

/// Which page of a list.
#[derive(clap::Args)]
pub(super) struct PageArgs {
    /// At most this many, up to 200
    #[arg(long, value_name = "N", default_value_t = 50)]
    pub(super) limit: usize,
    /// Continue after an earlier page
    #[arg(long, value_name = "CURSOR")]
    pub(super) after: Option<String>,
}

/// Of which time.
#[derive(clap::Args)]
pub(super) struct TimeArgs {
    /// At this time or later, such as 2026-11-18, yesterday, or 7d for seven days ago
    #[arg(long, value_name = "TIME", value_parser = values::moment)]
    since: Option<Timestamp>,
    /// Before this time
    #[arg(long, value_name = "TIME", value_parser = values::moment)]
    until: Option<Timestamp>,
}

impl TimeArgs {
    pub(super) fn from(&self) -> Option<i64> {
        self.since.map(Timestamp::as_millisecond)
    }

    pub(super) fn to(&self) -> Option<i64> {
        self.until.map(Timestamp::as_millisecond)
    }
}

/// Prints a page of a list.
pub(super) fn print(
    output: Output,
    name: &str,
    (mut lines, rows): (Vec<String>, Value),
    next: Option<&str>,
) -> anyhow::Result<Outcome> {
    if lines.is_empty() {
        lines.push(format!("no {name}"));
    }
    lines.extend(next.map(|next| format!("more: --after {next}")));
    output.answer(&lines.join("\n"), &json!({ name: rows, "next": next }))?;
    Ok(Outcome::Fine)
}

/// Values of others, as they can be shown.
fn shown(values: &[String]) -> String {
    values.iter().map(|value| plain(value)).collect::<Vec<_>>().join(", ")
}

/// `vouchlog vault sessions`
#[derive(clap::Args)]
#[command(
    after_help = "Examples:\n  vouchlog vault --vault vault sessions --by initiator='https://idp.example|u-20931'\n  \
                        vouchlog vault --vault vault sessions --by verdict=authorized_known:no --by tool=issue_refund --since 7d\n  \
                        vouchlog vault --vault vault sessions --by finding=R26 --json\n\n\
                        A session must have all of the values, each in one of its records or another. Verdicts and findings are those of the\n\
                        time when a record was kept; `vouchlog session` judges a session by what the vault knows today."
)]
pub(crate) struct SessionsArgs {
    /// A facet and its value: initiator, agent, workload, device, credential, tool, model, data-class, scope, issuer, gateway, service, verdict, finding or session
    #[arg(long = "by", value_name = "FACET=VALUE", value_parser = find::facet)]
    facets: Vec<(Facet, String)>,
    #[command(flatten)]
    time: TimeArgs,
    /// The search that was saved under this name
    #[arg(long, value_name = "NAME", conflicts_with_all = ["facets", "since", "until"])]
    saved: Option<String>,
    #[command(flatten)]
    page: PageArgs,
}

impl SessionsArgs {
    pub(super) async fn run(self, vault: &VaultArgs, output: Output) -> anyhow::Result<Outcome> {
        let desk = OpenDesk::reading(vault).await?;
        let listed = self.listed(&desk, vault).await;
        desk.close().await;
        let SessionRows { sessions, next } = listed?;
        let lines = sessions.iter().map(session).collect();
        print(output, "sessions", (lines, json!(sessions)), next.as_deref())
    }

    async fn listed(self, desk: &OpenDesk, vault: &VaultArgs) -> anyhow::Result<SessionRows> {
        let tenant = Some(vault.tenant.clone());
        let (facets, from, to) = match self.saved {
            Some(name) => {
                let SearchRow { facets, from, to, .. } = saved(desk, vault, &name).await?;
                (facets, from, to)
            }
            None => {
                let facets = self.facets.into_iter().map(find::named).collect();
                (facets, self.time.from(), self.time.to())
            }
        };
        let PageArgs { after, limit } = self.page;
        desk.ask(ListSessions { tenant, facets, from, to, after, limit: Some(limit) }).await
    }
}

/// The search that the caller saved under a name.
async fn saved(desk: &OpenDesk, vault: &VaultArgs, name: &str) -> anyhow::Result<SearchRow> {
    let SearchRows { searches, .. } = desk.ask(ListSearches { tenant: Some(vault.tenant.clone()) }).await?;
    searches.into_iter().find(|row| row.name == name).ok_or_else(|| {
        let problem = format!("you have no saved search `{}`", plain(name));
        Advice::error(problem, "list them with `vouchlog vault search list`")
    })
}

fn session(row: &SessionRow) -> String {
    let name = row.session.as_deref().map_or_else(|| "(erased)".to_owned(), plain);
    let records = output::count(row.records, "record", "records");
    let codes: Vec<&str> = row.findings.iter().map(|finding| finding.code.as_str()).collect();
    let (first, last) = (output::moment(row.first), output::moment(row.last));
    let parts = [shown(&row.initiators), shown(&row.agents), row.policy.join(", "), codes.join(", ")];
    let parts: Vec<&str> = parts.iter().map(|part| if part.is_empty() { "-" } else { part }).collect();
    format!("{first}  {last}  {name}  {records}  {}", parts.join("  "))
}

/// `vouchlog vault identities`
#[derive(clap::Args)]
#[command(after_help = "Examples:\n  vouchlog vault --vault vault identities agent\n  \
                        vouchlog vault --vault vault identities agent agents/refunds\n  \
                        vouchlog vault --vault vault identities credential txn-8841 --json\n\n\
                        One of them is shown with what it was used with: people, credentials, scopes, issuers, tools, and since when. The\n\
                        sessions of it are listed by `vouchlog vault sessions --by FACET=VALUE`.")]
pub(crate) struct IdentitiesArgs {
    /// The facet: initiator, agent, workload, credential, tool, model, data-class, scope, issuer, gateway, service or session
    #[arg(value_name = "FACET", value_parser = facet_name)]
    facet: Facet,
    /// Show this one, and what it was used with
    #[arg(value_name = "VALUE")]
    value: Option<String>,
    #[command(flatten)]
    page: PageArgs,
}

fn facet_name(name: &str) -> Result<Facet, String> {
    find::facet(&format!("{name}=")).map(|(facet, _)| facet)
}

impl IdentitiesArgs {
    pub(super) async fn run(self, vault: &VaultArgs, output: Output) -> anyhow::Result<Outcome> {
        let (tenant, facet) = (Some(vault.tenant.clone()), self.facet.name().to_owned());
        let desk = OpenDesk::reading(vault).await?;
        if let Some(value) = self.value {
            let shown = desk.ask(ShowIdentity { tenant, facet, value }).await;
            desk.close().await;
            let identity = shown?;
            output.answer(&identity_in_words(&identity), &json!(identity))?;
            return Ok(Outcome::Fine);
        }
        let limit = Some(self.page.limit);
        let listed = desk.ask(ListIdentities { tenant, facet, after: self.page.after, limit }).await;
        desk.close().await;
        let IdentityRows { identities, next } = listed?;
        let lines = identities.iter().map(identity).collect();
        print(output, "identities", (lines, json!(identities)), next.as_deref())
    }
}

fn identity(row: &IdentityRow) -> String {
    let (first, last) = (output::moment(row.first), output::moment(row.last));
    let records = output::count(row.records, "record", "records");
    let sessions = output::count(row.sessions, "session", "sessions");
    format!("{first}  {last}  {}  {records}  {sessions}", plain(&row.value))
}

fn identity_in_words(shown: &Identity) -> String {
    let mut lines = vec![identity(&shown.identity)];
    for entry in &shown.registry {
        let text = |name: &str, value: &Option<String>| {
            value.as_ref().map(|value| format!("{name} {}", plain(value)))
        };
        let parts = [text("name", &entry.name), text("owner", &entry.owner), text("sponsor", &entry.sponsor)];
        let parts: Vec<String> = parts.into_iter().flatten().collect();
        lines.push(format!("registered {}: {}", output::moment(entry.at), parts.join(", ")));
    }
    if shown.counted < shown.identity.records {
        lines.push(format!("of the newest {} records:", shown.counted));
    }
    for with in &shown.with {
        lines.push(format!("{}:", with.facet));
        for used in &with.values {
            let (first, last) = (output::moment(used.first), output::moment(used.last));
            let records = output::count(used.records, "record", "records");
            lines.push(format!("  {first}  {last}  {}  {records}", plain(&used.value)));
        }
        let more = with.total.saturating_sub(with.values.len() as u64);
        if more > 0 {
            lines.push(format!("  and {more} more"));
        }
    }
    lines.join("\n")
}

/// `vouchlog vault disclosures`
#[derive(clap::Args)]
#[command(after_help = "Examples:\n  vouchlog vault --vault vault disclosures --since 30d\n  \
                        vouchlog vault --vault vault disclosures --record \"$ID\"")]
pub(crate) struct DisclosuresArgs {
    /// Who read this record, or was given fields of it
    #[arg(long, value_name = "ID")]
    record: Option<RecordId>,
    #[command(flatten)]
    time: TimeArgs,
    #[command(flatten)]
    page: PageArgs,
}

impl DisclosuresArgs {
    pub(super) async fn run(self, vault: &VaultArgs, output: Output) -> anyhow::Result<Outcome> {
        let desk = OpenDesk::reading(vault).await?;
        let listed = desk
            .ask(ListDisclosures {
                tenant: Some(vault.tenant.clone()),
                from: self.time.from(),
                to: self.time.to(),
                record: self.record,
                after: self.page.after,
                limit: Some(self.page.limit),
            })
            .await;
        desk.close().await;
        let DisclosureRows { disclosures, next } = listed?;
        let lines = disclosures.iter().map(disclosure).collect();
        print(output, "disclosures", (lines, json!(disclosures)), next.as_deref())
    }
}

fn disclosure(row: &DisclosureRow) -> String {
    let text = |value: &Option<String>| value.as_deref().map_or_else(|| "not recorded".to_owned(), plain);
    let records = output::count(row.records.len() as u64, "record", "records");
    let to = row.recipient.as_ref().map(|to| format!(" to {}", plain(to))).unwrap_or_default();
    let scope = row.scope.as_deref().unwrap_or("not recorded");
    format!(
        "{}  {scope} by {}{to}: {records}, {}  {}",
        output::moment(row.at),
        text(&row.by),
        text(&row.basis),
        super::entry(row.entry)
    )
}
