//! `vouchlog session`: reconstructs a session from a vault.

use std::path::PathBuf;

use clap::ArgGroup;
use jiff::Timestamp;
use serde_json::{Value, json};
use vouchlog::Policy;
use vouchlog_desk::{
    BundleSession, DrawnSession, ListSessions, OpenSession, ReasonForContent, SessionPage, SessionRow,
    SessionRows, whole_session,
};
use vouchlog_grading::Finding;
use vouchlog_session::{SessionBundle, Timeline, plain};

use super::custody::{self, CustodyArgs, VaultArgs};
use super::desk::{self, OpenDesk};
use super::paper::{self, PaperArgs};
use super::reports::read_reports;
use super::{check_writable, disclose, policy, write_file};
use crate::output::{self, Outcome, Output};
use crate::report::{self, Provenance, SessionMade};

mod court;
mod receipts;

use court::{Court, CourtArgs};
use receipts::Judge;

/// What a bundle shows unless told otherwise: everything but names of people and content.
const FIELDS: &str = "correlation,time,initiator.kind,initiator.verified_by,session.verified,authority.mode,\
                      workload.id,workload.method,workload.issuer,workload.aud,workload.verified,workload.verified_by,\
                      workload.instance,workload.service_account,workload.shared,workload.credential,workload.agent.id,\
                      workload.agent.name,workload.agent.version,workload.agent.config_digest,workload.agent.blueprint,\
                      workload.agent.tenant,credential,credentials,grant,policy,approval.required,approval.state,approval.approver_kind,data.input_class,\
                      data.output_class,model,tools,outcome,custody,session_seal";

/// Reconstruct a session: who started it, what was decided, called and answered, and whether anything is missing
#[derive(clap::Args)]
#[command(group = ArgGroup::new("disclosed").args(["bundle", "court"]).multiple(true))]
#[command(
    after_help = "Examples:\n  vouchlog session --vault vault\n  vouchlog session --vault vault sess-01\n  \
                        vouchlog session --vault vault sess-01 --html session.html --audit audit.json\n  \
                        vouchlog session --vault vault sess-01 --content --basis \"case 17\" --log http://127.0.0.1:6962 \\\n    \
                        --log-vkey \"$LOG_VKEY\" --gateway-key gateway.key\n  \
                        vouchlog session --vault vault sess-01 --bundle case17.json --fields initiator,workload,credential,outcome \\\n    \
                        --basis \"case 17\" --log http://127.0.0.1:6962 --log-vkey \"$LOG_VKEY\" --gateway-key gateway.key\n  \
                        vouchlog session --vault vault sess-01 --court case17.html --completeness streams.completeness.json --basis \"case 17\" \\\n    \
                        --log http://127.0.0.1:6962 --log-vkey \"$LOG_VKEY\" --gateway-key gateway.key\n\n\
                        With --audit, findings about the log come first. A critical one about completeness means that not all records are present.\n\
                        Without --content, no prompt and no answer is read. The log first records every reading of content and every disclosure.\n\
                        The recipient of a bundle checks and reads it with `vouchlog verify`; a court file opens in any browser and checks itself.\n\
                        Exit status: 0 nothing critical was found and every question is answered yes, 1 otherwise."
)]
pub(crate) struct Args {
    #[command(flatten)]
    vault: VaultArgs,
    #[command(flatten)]
    custody: CustodyArgs,
    /// The session; without it, sessions are listed, those with the newest records first
    #[arg(value_name = "SESSION")]
    session: Option<String>,
    /// Continue a list after an earlier page
    #[arg(long, value_name = "CURSOR", conflicts_with = "session")]
    after: Option<String>,
    /// Also show prompts, answers, arguments and results
    #[arg(long, requires_all = ["basis", "session"])]
    content: bool,
    /// The reason for reading or disclosing content: the case or the request
    #[arg(long, value_name = "TEXT")]
    basis: Option<String>,
    /// Whom the bundle or the court file is given to; it is recorded in the log with the reason
    #[arg(long, value_name = "NAME", requires = "disclosed")]
    recipient: Option<String>,
    #[command(flatten)]
    paper: PaperArgs,
    /// Write one file with the fields of --fields, which any third party can verify offline
    #[arg(long, value_name = "FILE", requires_all = ["basis", "session"])]
    bundle: Option<PathBuf>,
    #[command(flatten)]
    court: CourtArgs,
    /// The fields to disclose in the bundle or the court file, from every record that has them
    #[arg(long, value_name = "PATH,...", value_delimiter = ',', requires = "disclosed", default_value = FIELDS, hide_default_value = true)]
    fields: Vec<String>,
    /// A report about the log, as `vouchlog audit --json` or `vouchlog canary check --json` prints it; may be repeated
    #[arg(long = "audit", value_name = "FILE")]
    audits: Vec<PathBuf>,
    /// The witnesses whose cosignatures count (C2SP tlog-policy)
    #[arg(long, value_name = "FILE", requires = "log_vkey", env = "VOUCHLOG_POLICY")]
    policy: Option<PathBuf>,
}

impl Args {
    pub(crate) async fn run(self, output: Output) -> anyhow::Result<Outcome> {
        let Some(session) = self.session.clone() else { return self.list(output).await };
        let policy = self.policy.as_deref().map(policy).transpose()?;
        let paper = self.paper.open()?;
        self.bundle.iter().try_for_each(|file| check_writable(file))?;
        // A report that cannot be used is refused before anything is read or disclosed.
        self.log_findings(None)?;
        let court = self.court.open(self.custody.log_vkey.as_ref(), self.policy.as_deref())?;
        let desk = OpenDesk::reading_beside(&self.vault, &self.custody).await?;
        let is_recorded = self.content || self.bundle.is_some() || court.is_some();
        let desk = if is_recorded { desk.into_recording(&self.vault, &self.custody).await? } else { desk };
        let drawn = self.draw(&desk, &session, policy.as_ref(), court.as_ref()).await;
        desk.close().await;
        let (timeline, bundle) = drawn?;
        if let Some(bundle) = bundle {
            self.write(&session, &bundle.to_json(), court.as_ref())?;
        }
        if let Some(paper) = &paper {
            let made = SessionMade {
                made: Provenance {
                    at: paper::now(),
                    keys: self.custody.log_vkey.iter().cloned().collect(),
                    policy: policy.as_ref(),
                    source: format!("the vault {}, tenant {}", self.vault.place(), self.vault.tenant),
                },
                content: self.basis.as_deref().filter(|_| self.content),
                audits: self.audits.len(),
            };
            paper.session(&timeline, &made)?;
        }
        draw(output, &timeline)
    }

    /// Lists sessions, those with the newest records first.
    async fn list(&self, output: Output) -> anyhow::Result<Outcome> {
        let desk = OpenDesk::reading(&self.vault).await?;
        let tenant = Some(self.vault.tenant.clone());
        let listed =
            desk.ask(ListSessions { tenant, after: self.after.clone(), ..ListSessions::default() }).await;
        desk.close().await;
        let SessionRows { sessions, next } = listed?;
        let mut lines: Vec<String> = sessions.iter().map(in_words).collect();
        if sessions.is_empty() {
            lines.push("no sessions".to_owned());
        }
        lines.extend(next.iter().map(|next| format!("more: --after {next}")));
        let rows: Vec<_> = sessions.iter().map(as_json).collect();
        output.answer(&lines.join("\n"), &json!({ "sessions": rows, "next": next }))?;
        Ok(Outcome::Fine)
    }

    /// Writes the files that the session is disclosed in.
    fn write(&self, session: &str, bundle: &str, court: Option<&Court<'_>>) -> anyhow::Result<()> {
        if let Some(file) = &self.bundle {
            write_file(file, bundle.as_bytes())?;
            output::note(&format!("wrote {}", file.display()));
        }
        let basis = self.basis.as_deref().unwrap_or_default();
        court.map_or(Ok(()), |court| court.write(session, basis, bundle))
    }

    /// The session as it is drawn, and its bundle if a file is to have one.
    async fn draw(
        &self,
        desk: &OpenDesk,
        session: &str,
        policy: Option<&Policy>,
        court: Option<&Court<'_>>,
    ) -> anyhow::Result<(Timeline, Option<SessionBundle>)> {
        let tenant = || Some(self.vault.tenant.clone());
        let basis = self.basis.clone().unwrap_or_default();
        let bundle = if self.bundle.is_some() || court.is_some() {
            let fields = self.fields.iter().map(|field| disclose::pointer(field)).collect();
            let (session, basis) = (session.to_owned(), basis.clone());
            Some(
                desk.ask(BundleSession {
                    tenant: tenant(),
                    session,
                    fields,
                    basis,
                    recipient: self.recipient.clone(),
                })
                .await?
                .bundle,
            )
        } else {
            None
        };
        let ask = OpenSession {
            tenant: tenant(),
            session: session.to_owned(),
            content: self.content.then_some(ReasonForContent { basis }),
            after: None,
        };
        let page = desk.patiently(whole_session(desk.desk(), ask)).await?;
        let timeline = self.timeline(desk, session, page, policy).await?;
        Ok((timeline, bundle))
    }

    async fn timeline(
        &self,
        desk: &OpenDesk,
        session: &str,
        page: SessionPage,
        policy: Option<&Policy>,
    ) -> anyhow::Result<Timeline> {
        let log_findings = self.log_findings(page.log.as_deref())?;
        let judge = Judge {
            desk,
            tenant: &self.vault.tenant,
            log: self.custody.log_vkey.as_ref(),
            can_renew: self.vault.is_served() || self.custody.url.is_some(),
            policy: policy.zip(self.policy.as_deref()),
        };
        let judged = judge.judge(&page.records).await?;
        let drawn = DrawnSession {
            session,
            page,
            proofs: judged.states,
            log_findings,
            notes: judged.notes,
            content_shown: self.content,
            now: Timestamp::from_millisecond(custody::now_millis()).ok(),
        };
        drawn.timeline().map_err(desk::advise)
    }

    /// What the reports of --audit find.
    fn log_findings(&self, of_vault: Option<&str>) -> anyhow::Result<Vec<Finding>> {
        if self.audits.is_empty() {
            return Ok(Vec::new());
        }
        let given = self.custody.log_vkey.as_ref().map(|log| log.name().to_string());
        let reports = read_reports(&self.audits, given.as_deref().or(of_vault))?;
        Ok(reports.into_iter().flat_map(|report| report.findings).collect())
    }
}

fn in_words(row: &SessionRow) -> String {
    let records = output::count(row.records, "record", "records");
    let people: Vec<_> = row.initiators.iter().map(|name| plain(name)).collect();
    let (first, last) = (output::moment(row.first), output::moment(row.last));
    let name = row.session.as_deref().map_or_else(|| "(erased)".to_owned(), plain);
    format!("{first}  {last}  {name}  {records}  {}", people.join(", "))
}

fn as_json(row: &SessionRow) -> Value {
    json!({
        "session": row.session, "records": row.records, "first": output::moment(row.first),
        "last": output::moment(row.last), "initiators": row.initiators,
    })
}

/// Draws a timeline, in words or for programs.
pub(super) fn draw(output: Output, timeline: &Timeline) -> anyhow::Result<Outcome> {
    let words = report::text(timeline, report::width(), report::colour());
    output.answer(words.trim_end(), &report::json(timeline))?;
    Ok(if timeline.summary.is_whole() { Outcome::Fine } else { Outcome::Finding })
}
