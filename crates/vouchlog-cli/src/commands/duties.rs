//! `vouchlog duties`: what this deployment shows for each duty to keep records, and what it does not.

use serde_json::json;
use vouchlog_auditor::{AuditReport, FindingKind};
use vouchlog_desk::{CountRecords, CountedRecords};
use vouchlog_grading::{DutyReport, Figures, duties};

use super::auditing::AuditArgs;
use super::custody::VaultArgs;
use super::desk::OpenDesk;
use super::running;
use crate::output::{self, Outcome, Output};

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
        let desk = OpenDesk::reading(&self.vault).await?;
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
        of_the_vault(&desk, &self.vault.tenant, &mut figures).await?;
        desk.close().await;
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
async fn of_the_vault(desk: &OpenDesk, tenant: &str, figures: &mut Figures) -> anyhow::Result<()> {
    let mut counted = CountedRecords::default();
    loop {
        let after = counted.next.take();
        counted.extend(desk.ask(CountRecords { tenant: Some(tenant.to_owned()), after }).await?);
        if counted.next.is_none() {
            break;
        }
    }
    counted.figures(figures);
    Ok(())
}

fn in_words(report: &DutyReport) -> String {
    let mut lines = vec![format!("{}, {}", report.instrument, report.article), format!("  {}", report.duty)];
    lines.extend(report.shown.iter().map(|shown| format!("  shown      {shown}")));
    lines.extend(report.not_shown.iter().map(|not| format!("  not shown  {not}")));
    lines.push(format!("  source     {}", report.source));
    lines.join("\n")
}
