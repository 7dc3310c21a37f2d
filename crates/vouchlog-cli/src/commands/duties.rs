//! `vouchlog duties`: what this deployment shows for each duty to keep records, and what it does not.

use std::collections::BTreeSet;

use jiff::Timestamp;
use serde_json::json;
use vouchlog::StatementKind;
use vouchlog_auditor::{AuditReport, FindingKind};
use vouchlog_grading::{DutyReport, Figures, duties};
use vouchlog_vault::{Access, Query, Vault};

use super::auditing::AuditArgs;
use super::custody::{self, VaultArgs};
use super::running;
use crate::output::{self, Outcome, Output};

/// Bits of the evidence bitmap.
const APPROVAL: u32 = 1 << 7;
const ATTRIBUTABLE: u32 = 1 << 26;
const COMPLETE: u32 = 1 << 27;

/// Report, law by law, what a deployment's evidence shows, with figures, and what it does not show
#[derive(clap::Args)]
#[command(
    after_help = "Example:\n  vouchlog duties --vault vault --log http://127.0.0.1:6962 --log-vkey \"$LOG_VKEY\" --policy policy.txt\n\n\
                        The log is audited and the vault counted first. The output is an engineer's reading of the duties, not legal\n\
                        advice; each entry states the source of its wording.\n\
                        Exit status: 0 the log is clean, 1 it is not."
)]
pub(crate) struct Args {
    #[command(flatten)]
    vault: VaultArgs,
    #[command(flatten)]
    audit: AuditArgs,
}

impl Args {
    pub(crate) async fn run(self, output: Output) -> anyhow::Result<Outcome> {
        let (vault, access) = self.vault.open().await?;
        let subject = self.audit.subject()?;
        let stop = running::shutdown_signal()?;
        let bar = output::progress(0, "entries");
        let step = |done, total| {
            bar.set_length(total);
            bar.set_position(done);
        };
        let audit = subject.audit(step, stop).await;
        bar.finish_and_clear();
        let report = audit?.report;
        let mut figures = Figures::default();
        of_the_log(&report, &mut figures);
        of_the_vault(&vault, &access, &self.vault.tenant, &mut figures).await?;
        let reports = duties(&figures);
        let words: Vec<String> = reports.iter().map(in_words).collect();
        let answer = json!({ "figures": figures, "duties": reports, "log_is_clean": report.is_clean() });
        output.answer(&words.join("\n\n"), &answer)?;
        Ok(if report.is_clean() { Outcome::Fine } else { Outcome::Finding })
    }
}

/// What anyone with access to the log can count.
fn of_the_log(report: &AuditReport, figures: &mut Figures) {
    figures.streams = Some(report.streams.len() as u64);
    figures.heartbeats = Some(report.streams.iter().map(|stream| stream.heads).sum());
    figures.declared_losses = Some(report.streams.iter().map(|stream| stream.declared_losses).sum());
    figures.silences = Some(report.counts.get(&FindingKind::SilentStream).copied().unwrap_or_default());
    figures.witnesses = report.checkpoint.as_ref().map(|checkpoint| checkpoint.cosigned_by.len() as u64);
}

/// What the vault knows of its records without opening them.
async fn of_the_vault(
    vault: &Vault,
    access: &Access,
    tenant: &str,
    figures: &mut Figures,
) -> anyhow::Result<()> {
    let mut kinds = [0_u64; StatementKind::ALL.len()];
    let (mut attributable, mut complete, mut approvals) = (0, 0, 0);
    let (mut oldest, mut erasures) = (None, BTreeSet::new());
    let mut pages = vault.pages(access, Query { tenant: Some(tenant.to_owned()), ..Query::default() });
    while let Some(rows) = pages.next().await.map_err(custody::advise_vault)? {
        for row in &rows {
            let place = StatementKind::ALL.iter().position(|kind| *kind == row.kind);
            kinds[place.expect("every kind is in the list")] += 1;
            if let Some(logged) = row.place {
                let at = logged.logged_at;
                oldest = Some(oldest.map_or(at, |oldest: vouchlog::LoggedAt| oldest.min(at)));
            }
            // An entry on an erasure may say that everything was refused: what was erased names the entry that says so.
            if let Some(erased) = row.erased.as_ref().filter(|erased| erased.finished) {
                erasures.insert(erased.record.clone());
            }
            if row.kind == StatementKind::Interaction {
                let has = |bit: u32| u64::from(row.evidence.bits() & bit != 0);
                attributable += has(ATTRIBUTABLE);
                complete += has(COMPLETE);
                approvals += has(APPROVAL);
            }
        }
    }
    let count = |kind| {
        let place = StatementKind::ALL.iter().position(|other| *other == kind);
        place.map(|place| kinds[place])
    };
    figures.records = Some(kinds.iter().sum());
    figures.interactions = count(StatementKind::Interaction);
    (figures.attributable, figures.complete) = (Some(attributable), Some(complete));
    figures.approvals = Some(approvals);
    figures.configurations = count(StatementKind::Configuration);
    figures.credential_events = count(StatementKind::CredentialEvent);
    figures.disclosures = count(StatementKind::Disclosure);
    figures.erasures = Some(erasures.len() as u64);
    figures.findings = count(StatementKind::Finding);
    figures.holds = Some(vault.holds(access).await.map_err(custody::advise_vault)?.len() as u64);
    figures.oldest_record = oldest
        .and_then(|at| i64::try_from(at.millis()).ok())
        .and_then(|at| Timestamp::from_millisecond(at).ok());
    Ok(())
}

fn in_words(report: &DutyReport) -> String {
    let mut lines = vec![format!("{}, {}", report.instrument, report.article), format!("  {}", report.duty)];
    lines.extend(report.shown.iter().map(|shown| format!("  shown      {shown}")));
    lines.extend(report.not_shown.iter().map(|not| format!("  not shown  {not}")));
    lines.push(format!("  source     {}", report.source));
    lines.join("\n")
}
