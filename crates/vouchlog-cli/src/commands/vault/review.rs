//! Findings of a vault: the queue, and what is decided about them.

use jiff::Timestamp;
use serde_json::json;
use vouchlog_desk::{
    CountFindings, DecideFindings, DecidedFindings, Decision, DecisionRows, FindingCounts, FindingRow,
    FindingRows, FindingState, ListDecisions, ListFindings,
};
use vouchlog_record::{Facet, RecordId};
use vouchlog_session::plain;

use super::lists::{PageArgs, TimeArgs, print};
use crate::commands::custody::{CustodyArgs, VaultArgs};
use crate::commands::desk::OpenDesk;
use crate::commands::find;
use crate::output::{self, Outcome, Output};
use crate::values;

/// A state of a finding on the command line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum State {
    /// Nothing was decided, or it was opened again
    Open,
    /// The cause is known and stated
    Explained,
    /// The risk is accepted
    Accepted,
}

impl From<State> for FindingState {
    fn from(state: State) -> Self {
        match state {
            State::Open => Self::Open,
            State::Explained => Self::Explained,
            State::Accepted => Self::Accepted,
        }
    }
}

const fn word(state: FindingState) -> &'static str {
    match state {
        FindingState::Open => "open",
        FindingState::Explained => "explained",
        FindingState::Accepted => "accepted",
    }
}

/// `vouchlog vault findings`
#[derive(clap::Args)]
#[command(after_help = "Examples:\n  vouchlog vault --vault vault findings --count\n  \
                        vouchlog vault --vault vault findings --rule R26 --since 7d\n  \
                        vouchlog vault --vault vault findings --in-state accepted --by agent=agents/refunds --json\n\n\
                        Findings are those of the time when a record was kept; each is judged again as it is shown. Rules about a whole\n\
                        session are checked by `vouchlog session`, rules about the log by `vouchlog audit`.")]
pub(crate) struct FindingsArgs {
    /// Findings in this state
    #[arg(long, value_enum, default_value_t = State::Open)]
    in_state: State,
    /// Findings of these rules only
    #[arg(long = "rule", value_name = "CODE,...", value_delimiter = ',')]
    rules: Vec<String>,
    /// Findings in records that have all of these values, such as session=sess-01
    #[arg(long = "by", value_name = "FACET=VALUE", value_parser = find::facet)]
    facets: Vec<(Facet, String)>,
    /// Count all findings by rule and state
    #[arg(long, conflicts_with_all = ["rules", "facets", "since", "until", "after"])]
    count: bool,
    #[command(flatten)]
    time: TimeArgs,
    #[command(flatten)]
    page: PageArgs,
}

impl FindingsArgs {
    pub(super) async fn run(self, vault: &VaultArgs, output: Output) -> anyhow::Result<Outcome> {
        let tenant = Some(vault.tenant.clone());
        let desk = OpenDesk::reading(vault).await?;
        if self.count {
            let counted = desk.ask(CountFindings { tenant }).await;
            desk.close().await;
            let FindingCounts { rules } = counted?;
            let line = |rule: &vouchlog_desk::RuleCount| {
                format!(
                    "{} {} ({})  {} open, {} explained, {} accepted",
                    rule.code, rule.name, rule.severity, rule.open, rule.explained, rule.accepted
                )
            };
            return print(output, "rules", (rules.iter().map(line).collect(), json!(rules)), None);
        }
        let listed = desk
            .ask(ListFindings {
                tenant,
                state: self.in_state.into(),
                codes: self.rules,
                facets: self.facets.into_iter().map(find::named).collect(),
                from: self.time.from(),
                to: self.time.to(),
                after: self.page.after,
                limit: Some(self.page.limit),
            })
            .await;
        desk.close().await;
        let FindingRows { findings, next } = listed?;
        let lines = findings.iter().map(finding).collect();
        print(output, "findings", (lines, json!(findings)), next.as_deref())
    }
}

fn finding(row: &FindingRow) -> String {
    let found = match (&row.found, row.erased) {
        (Some(found), _) => plain(&found.message),
        (None, true) => "the record was erased".to_owned(),
        (None, false) => "not found any more, by what is known today".to_owned(),
    };
    let decided = row
        .decision
        .as_ref()
        .map(|made| format!("\n    {} by {}: {}", word(made.state), plain(&made.by), plain(&made.reason)));
    format!(
        "{}  {} {} ({})  {}  {}: {found}{}",
        output::moment(row.started_at),
        row.code,
        row.name,
        row.severity,
        row.record,
        super::entry(row.entry),
        decided.unwrap_or_default()
    )
}

/// `vouchlog vault decide`
#[derive(clap::Args)]
#[command(
    after_help = "Examples:\n  vouchlog vault --vault vault decide explained --rule R44 --record \"$ID\" --reason 'provider notice of 21 November' \\\n    \
                        --log http://127.0.0.1:6962 --log-vkey \"$LOG_VKEY\" --gateway-key gateway.key\n  \
                        vouchlog vault --vault vault decide accepted --rule R22 --record \"$ID\" --accepted-until 2027-03-31 --reason HR-512 \\\n    \
                        --log http://127.0.0.1:6962 --log-vkey \"$LOG_VKEY\" --gateway-key gateway.key\n\n\
                        It takes the role review. A decision is a record in the log, with the name of the principal and the reason. It cannot\n\
                        be changed later, only followed by another."
)]
pub(crate) struct DecideArgs {
    #[command(flatten)]
    custody: CustodyArgs,
    /// What is decided
    #[arg(value_enum, value_name = "STATE")]
    decision: State,
    /// The code of the rule
    #[arg(long = "rule", value_name = "CODE")]
    rule: String,
    /// The records in which the rule found something; 500 at most
    #[arg(long, value_name = "ID", num_args = 1.., required = true)]
    record: Vec<RecordId>,
    /// The reason: a ticket or a document. It is recorded in the log, so it should not name a person
    #[arg(long, value_name = "TEXT")]
    reason: String,
    /// Accept the risk until this time
    #[arg(long, value_name = "TIME", value_parser = values::moment)]
    accepted_until: Option<Timestamp>,
}

impl DecideArgs {
    pub(super) async fn run(self, vault: &VaultArgs, output: Output) -> anyhow::Result<Outcome> {
        let desk = OpenDesk::recording(vault, &self.custody).await?;
        let decided = desk
            .ask(DecideFindings {
                tenant: Some(vault.tenant.clone()),
                code: self.rule,
                records: self.record,
                state: self.decision.into(),
                reason: self.reason,
                until: self.accepted_until.map(Timestamp::as_millisecond),
            })
            .await;
        desk.close().await;
        let DecidedFindings { findings, record } = decided?;
        let state = word(self.decision.into());
        let findings_are = output::count(findings, "finding is", "findings are");
        let words = format!("{findings_are} {state}; recorded as {record}");
        output.answer(&words, &json!({ "findings": findings, "state": state, "record": record }))?;
        Ok(Outcome::Fine)
    }
}

/// `vouchlog vault decisions`
#[derive(clap::Args)]
#[command(
    after_help = "Examples:\n  vouchlog vault --vault vault decisions\n  vouchlog vault --vault vault decisions --record \"$ID\""
)]
pub(crate) struct DecisionsArgs {
    /// Decisions about findings in this record only
    #[arg(long, value_name = "ID")]
    record: Option<RecordId>,
    #[command(flatten)]
    page: PageArgs,
}

impl DecisionsArgs {
    pub(super) async fn run(self, vault: &VaultArgs, output: Output) -> anyhow::Result<Outcome> {
        let desk = OpenDesk::reading(vault).await?;
        let listed = desk
            .ask(ListDecisions {
                tenant: Some(vault.tenant.clone()),
                record: self.record,
                after: self.page.after,
                limit: Some(self.page.limit),
            })
            .await;
        desk.close().await;
        let DecisionRows { decisions, next } = listed?;
        let lines = decisions.iter().map(decision).collect();
        print(output, "decisions", (lines, json!(decisions)), next.as_deref())
    }
}

fn decision(made: &Decision) -> String {
    let until = made.until.map(|until| format!(" until {}", output::moment(until))).unwrap_or_default();
    let records = output::count(made.records.len() as u64, "record", "records");
    format!(
        "{}  {} in {records} {}{until} by {}: {}  {}",
        output::moment(made.at),
        made.code,
        word(made.state),
        plain(&made.by),
        plain(&made.reason),
        super::entry(made.entry)
    )
}
