//! `vouchlog session`: reconstructs a session from a vault.

use std::collections::BTreeMap;
use std::path::PathBuf;

use clap::ArgGroup;
use jiff::Timestamp;
use vouchlog::custody::Proofs;
use vouchlog::{Policy, StatementKind};
use vouchlog_grading::{Context, Finding, SessionFacts, SetFacts, grade_set};
use vouchlog_record::{DisclosureScope, Facet, Record, RecordId, RegisteredAgent};
use vouchlog_session::{BundleContents, SessionBundle};
use vouchlog_session::{ErasedAt, Loss, ProofState, SessionContext, SessionRecord, Timeline};
use vouchlog_vault::{Access, PresentationRequest, Query, ReadRecord, Row, Vault, learn, read_facts};

use super::custody::{self, CustodyArgs, VaultArgs};
use super::paper::{self, PaperArgs};
use super::reports::{log_of, read_reports};
use super::{check_writable, disclose, policy, write_file};
use crate::advice::Advice;
use crate::output::{self, Outcome, Output};
use crate::report::{self, Made, SessionMade};

mod court;
mod receipts;

use court::{Court, CourtArgs};
use receipts::Judge;

/// Most records of a session that are drawn.
const MAX_RECORDS: usize = 10_000;
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
#[command(after_help = "Examples:\n  vouchlog session --vault vault sess-01\n  \
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
                        Exit status: 0 nothing critical was found and every question is answered yes, 1 otherwise.")]
pub(crate) struct Args {
    #[command(flatten)]
    vault: VaultArgs,
    #[command(flatten)]
    custody: CustodyArgs,
    /// The session
    #[arg(value_name = "SESSION")]
    session: String,
    /// Also show prompts, answers, arguments and results
    #[arg(long, requires = "basis")]
    content: bool,
    /// The reason for reading or disclosing content: the case or the request
    #[arg(long, value_name = "TEXT")]
    basis: Option<String>,
    #[command(flatten)]
    paper: PaperArgs,
    /// Write one file with the fields of --fields, which any third party can verify offline
    #[arg(long, value_name = "FILE", requires = "basis")]
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

/// What is known of the log that has the records.
struct KnownOfLog {
    policy: Option<Policy>,
    /// What others report about it.
    findings: Vec<Finding>,
}

impl Args {
    pub(crate) async fn run(self, output: Output) -> anyhow::Result<Outcome> {
        let policy = self.policy.as_deref().map(policy).transpose()?;
        let paper = self.paper.open()?;
        self.bundle.iter().try_for_each(|file| check_writable(file))?;
        let court = self.court.open(self.custody.log_vkey.as_ref(), self.policy.as_deref())?;
        let (vault, access) = self.vault.open().await?;
        let known =
            KnownOfLog { policy: policy.clone(), findings: self.log_findings(&vault, &access).await? };
        let rows = self.rows(&vault, &access).await?;
        let context = learn(&vault, &access).await.map_err(|error| custody::advise(error.into()))?;
        let records = if self.content || self.bundle.is_some() || court.is_some() {
            self.on_record((&vault, &access), rows, &context, court).await?
        } else {
            facts(&vault, &access, rows, &context).await?
        };
        let timeline = self.timeline(&vault, &access, &context, records, known).await?;
        if let Some(paper) = &paper {
            let made = SessionMade {
                made: Made {
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

    /// What the reports of --audit find.
    async fn log_findings(&self, vault: &Vault, access: &Access) -> anyhow::Result<Vec<Finding>> {
        if self.audits.is_empty() {
            return Ok(Vec::new());
        }
        let log = match &self.custody.log_vkey {
            Some(log) => Some(log.name().to_string()),
            None => log_of(vault, access, &self.vault.tenant).await?,
        };
        let reports = read_reports(&self.audits, log.as_deref())?;
        Ok(reports.into_iter().flat_map(|report| report.findings).collect())
    }

    async fn rows(&self, vault: &Vault, access: &Access) -> anyhow::Result<Vec<Row>> {
        let facets = vec![(Facet::Session, self.session.clone())];
        let query = Query { facets, tenant: Some(self.vault.tenant.clone()), ..Query::default() };
        let rows = all(vault, access, query).await?;
        if rows.is_empty() {
            return Err(Advice::error(
                format!("the vault has no record of the session {}", self.session),
                "give the id as in correlation.session of the records, and --tenant if it is not the default tenant",
            ));
        }
        Ok(rows)
    }

    /// What goes on record first: reading content, writing a bundle or a court file.
    async fn on_record(
        &self,
        (vault, access): (&Vault, &Access),
        rows: Vec<Row>,
        context: &Context,
        court: Option<Court<'_>>,
    ) -> anyhow::Result<Vec<ReadRecord>> {
        let basis = self.basis.as_deref().unwrap_or_default();
        let custodian = self.custody.open(&self.vault, vault.clone(), access.clone()).await?;
        let work = async {
            let contents = if self.bundle.is_some() || court.is_some() {
                Some(self.contents(vault, access, &custodian, &rows, basis).await?)
            } else {
                None
            };
            let read = if self.content {
                custodian.recorder().read_content(access, rows, basis).await?
            } else {
                read_facts(vault, access, rows, context).await?
            };
            custodian.recorder().flush().await?;
            Ok((read, contents))
        };
        let done = self.custody.patiently(&custodian, work).await;
        custodian.stop().await;
        let (read, contents) = done?;
        if let Some(contents) = contents {
            let bundle = SessionBundle::new(&contents)?.to_json();
            if let Some(file) = &self.bundle {
                write_file(file, bundle.as_bytes())?;
                output::note(&format!("wrote {}", file.display()));
            }
            court.iter().try_for_each(|court| court.write(&self.session, basis, &bundle))?;
        }
        Ok(read)
    }

    /// Presentations of all there is of the session: its records, its seal, and the erasures that concern it.
    async fn contents(
        &self,
        vault: &Vault,
        access: &Access,
        custodian: &vouchlog::custody::Custodian,
        rows: &[Row],
        basis: &str,
    ) -> Result<BundleContents, vouchlog::custody::CustodyError> {
        let paths: Vec<String> = self.fields.iter().map(|field| disclose::pointer(field)).collect();
        let mut shown = Vec::new();
        let mut erasures: Vec<RecordId> = Vec::new();
        for row in rows {
            match &row.erased {
                None => shown.push(row.clone()),
                Some(erased) if !erasures.contains(&erased.record) => erasures.push(erased.record.clone()),
                Some(_) => {}
            }
        }
        let request =
            PresentationRequest { rows: &shown, paths: &paths, basis, scope: DisclosureScope::Bundle };
        let presented = custodian.present(access, request, Proofs::Fetched).await?;
        let mut contents = BundleContents {
            session: self.session.clone(),
            disclosed: paths.clone(),
            known: rows.iter().filter(|row| row.kind != StatementKind::SessionSeal).count() as u64,
            ..BundleContents::default()
        };
        for (row, presentation) in shown.iter().zip(presented) {
            match row.kind {
                StatementKind::SessionSeal => contents.seal = Some(presentation),
                _ => contents.records.push(presentation),
            }
        }
        let mut lawful = Vec::new();
        for erasure in &erasures {
            lawful.push(vault.row(access, erasure).await?);
        }
        if !lawful.is_empty() {
            let paths = ["/erasure".to_owned(), "/time".to_owned()];
            let request = PresentationRequest { rows: &lawful, paths: &paths, ..request };
            contents.erasures = custodian.present(access, request, Proofs::Fetched).await?;
        }
        Ok(contents)
    }

    async fn timeline(
        &self,
        vault: &Vault,
        access: &Access,
        context: &Context,
        records: Vec<ReadRecord>,
        log: KnownOfLog,
    ) -> anyhow::Result<Timeline> {
        let judge = Judge {
            vault,
            access,
            log: self.custody.log_vkey.as_ref(),
            url: self.custody.url.as_deref(),
            policy: log.policy.as_ref(),
        };
        let judged = judge.judge(&records).await?;
        let drawn: Vec<SessionRecord> = records
            .into_iter()
            .map(|read| {
                let proof = judged.state(&read.row.id);
                session_record(read, proof, self.content)
            })
            .collect();
        let known: Vec<(RecordId, &Record)> =
            drawn.iter().map(|record| (record.id.clone(), &record.record)).collect();
        let context = SessionContext {
            findings: grade_set(&known, &self.facts(&drawn)),
            log_findings: log.findings,
            losses: self.losses(vault, access, context).await?,
            agents: registered_agents(&known, context),
            held: Some(
                drawn.iter().filter(|one| one.record.kind != StatementKind::SessionSeal).count() as u64
            ),
            notes: judged.notes,
            ..SessionContext::default()
        };
        Ok(Timeline::of(&self.session, drawn, &context))
    }

    /// What is known of the session beside its records: whether it is over, and what time it is.
    fn facts(&self, records: &[SessionRecord]) -> SetFacts {
        let now = Timestamp::from_millisecond(custody::now_millis()).ok();
        let last = records.iter().filter_map(SessionRecord::at).max();
        let known = now.zip(last).map(|(now, last)| SessionFacts::by_age(self.session.clone(), last, now));
        SetFacts { sessions: known.into_iter().collect(), now, ..SetFacts::default() }
    }

    /// Losses that were declared, whichever session they fell into.
    async fn losses(&self, vault: &Vault, access: &Access, context: &Context) -> anyhow::Result<Vec<Loss>> {
        let kinds = vec![StatementKind::DeclaredLoss];
        let query = Query { kinds, tenant: Some(self.vault.tenant.clone()), ..Query::default() };
        let read = facts(vault, access, all(vault, access, query).await?, context).await?;
        let loss = |read: &ReadRecord| {
            let declared = read.record.as_ref()?.body.declared_loss.value()?;
            Some(Loss {
                entry: read.row.place.map(|place| place.index),
                from: *declared.from.value()?,
                to: *declared.to.value()?,
                count: declared.count.value().copied(),
                cause: declared.cause.value().cloned(),
            })
        };
        Ok(read.iter().filter_map(loss).collect())
    }
}

/// What the registry of agents has of those that the records name.
fn registered_agents(
    records: &[(RecordId, &Record)],
    context: &Context,
) -> BTreeMap<String, RegisteredAgent> {
    let named = records.iter().filter_map(|(_, record)| {
        let id = record.body.workload.value()?.agent.value()?.id.value()?;
        Some((id.clone(), context.registered_agent(id)?.clone()))
    });
    named.collect()
}

/// Every row that a query finds, page by page.
async fn all(vault: &Vault, access: &Access, query: Query) -> anyhow::Result<Vec<Row>> {
    let mut pages = vault.pages(access, query);
    let mut rows: Vec<Row> = Vec::new();
    while let Some(page) = pages.next().await.map_err(custody::advise_vault)? {
        rows.extend(page);
        anyhow::ensure!(rows.len() <= MAX_RECORDS, "there are more than {MAX_RECORDS} records");
    }
    Ok(rows)
}

async fn facts(
    vault: &Vault,
    access: &Access,
    rows: Vec<Row>,
    context: &Context,
) -> anyhow::Result<Vec<ReadRecord>> {
    read_facts(vault, access, rows, context).await.map_err(|error| custody::advise(error.into()))
}

/// Draws a timeline, in words or for programs.
pub(super) fn draw(output: Output, timeline: &Timeline) -> anyhow::Result<Outcome> {
    let words = report::text(timeline, report::width(), report::colour());
    output.answer(words.trim_end(), &report::json(timeline))?;
    Ok(if timeline.summary.is_whole() { Outcome::Fine } else { Outcome::Finding })
}

fn session_record(read: ReadRecord, proof: ProofState, content_shown: bool) -> SessionRecord {
    let ReadRecord { row, record, grade } = read;
    let erased = row.erased.as_ref().map(|erased| ErasedAt {
        at: Timestamp::from_millisecond(erased.at).ok(),
        entry: erased.index,
        basis: Some(erased.basis.clone()),
    });
    SessionRecord {
        id: row.id.clone(),
        record: record.unwrap_or_else(|| erased_record(&row)),
        place: row.place,
        proof,
        grade,
        erased,
        content_shown,
        partial: false,
    }
}

/// What is left of an erased record: its kind, its name, and about when it was.
fn erased_record(row: &Row) -> Record {
    let mut record = Record::new(row.kind);
    record.id = Some(row.id.clone());
    if let Ok(start) = Timestamp::from_millisecond(row.started_at) {
        record.body.time.get_or_default().start = start.into();
    }
    record
}
