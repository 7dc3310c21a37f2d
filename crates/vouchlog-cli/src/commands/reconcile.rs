//! `vouchlog reconcile`: compares a vault with what others know of it: auditors of its log, providers, and its own retention.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::path::PathBuf;

use serde_json::{Value, json};
use vouchlog_grading::{Finding, Rule, rule};
use vouchlog_record::Facet;
use vouchlog_session::plain;
use vouchlog_vault::limits::REPORTED_DAMAGE;
use vouchlog_vault::{Access, LostRecord, Query, Vault, VaultError};

use super::custody::{self, VaultArgs};
use super::reports::{Report, log_of, read_reports};
use crate::output::{self, Outcome, Output};

mod usage;

use usage::{Usage, UsageArg};

/// Response ids of one provider that are listed one by one; all are counted.
const LISTED: usize = 1_000;

/// Compare a vault with what others know: audits of its log, usage lists of providers, and what must still be readable
#[derive(clap::Args)]
#[command(after_help = "Examples:\n  vouchlog reconcile --vault vault\n  \
                        vouchlog audit --json --log http://127.0.0.1:6962 \\\n    \
                        --log-vkey \"$LOG_VKEY\" > audit.json\n  \
                        vouchlog reconcile --vault vault --audit audit.json\n  \
                        vouchlog reconcile --vault vault --usage openai=ids.txt --json\n\n\
                        It opens every record that was not erased, to find those that can no longer be read, and\n\
                        keeps nothing of them. Each finding has the code of its rule; docs/evidence.md explains them.\n\n\
                        Exit status: 0 no findings, 1 findings, 2 the comparison could not be completed.")]
pub(crate) struct Args {
    #[command(flatten)]
    vault: VaultArgs,
    /// A report about the log, as `vouchlog audit --json` or `vouchlog canary check --json` prints it; may be repeated
    #[arg(long = "audit", value_name = "FILE")]
    audits: Vec<PathBuf>,
    /// The ids of a provider's responses, one per line; - is standard input; may be repeated
    #[arg(long = "usage", value_name = "PROVIDER=FILE", value_parser = usage::parse)]
    usage: Vec<UsageArg>,
}

impl Args {
    pub(crate) async fn run(self, output: Output) -> anyhow::Result<Outcome> {
        let usage = self.usage.iter().map(UsageArg::read).collect::<anyhow::Result<Vec<Usage>>>()?;
        let (vault, access) = self.vault.open_damaged().await?;
        let log = match self.audits.is_empty() {
            true => None,
            false => log_of(&vault, &access, &self.vault.tenant).await?,
        };
        let reports = read_reports(&self.audits, log.as_deref())?;
        let mut comparison = Comparison::default();
        for report in reports {
            comparison.take_report(report);
        }
        self.compare_content(&vault, &access, &mut comparison).await?;
        for usage in &usage {
            self.compare_usage(&vault, &access, usage, &mut comparison).await?;
        }
        comparison.findings.sort_by_key(|finding| (Reverse(finding.severity), finding.rule.code));
        output.answer(&comparison.words(), &comparison.json())?;
        Ok(if comparison.findings.is_empty() { Outcome::Fine } else { Outcome::Finding })
    }

    /// R50: what can no longer be read, and was not erased.
    async fn compare_content(
        &self,
        vault: &Vault,
        access: &Access,
        comparison: &mut Comparison,
    ) -> anyhow::Result<()> {
        let reading = output::waiting("reading the records of the vault");
        let query = Query { tenant: Some(self.vault.tenant.clone()), ..Query::default() };
        let mut records = 0;
        let lost = vault.lost_records(access, query, |read| records = read).await;
        reading.finish_and_clear();
        let lost = lost.map_err(custody::advise_vault)?;
        other_damage(vault, &lost).await?;
        let now = custody::now_millis();
        let (owed, over): (Vec<_>, Vec<_>) = lost.into_iter().partition(|lost| lost.is_owed(now));
        comparison.records = records;
        comparison.not_owed = over.len();
        comparison.findings.extend(owed.iter().map(unretrievable));
        Ok(())
    }

    /// R77: responses that a provider reports and the vault does not have.
    async fn compare_usage(
        &self,
        vault: &Vault,
        access: &Access,
        usage: &Usage,
        comparison: &mut Comparison,
    ) -> anyhow::Result<()> {
        let rule = known_rule("R77");
        let place = format!("provider {}", usage.provider);
        let bar = output::progress(usage.ids.len() as u64, "response ids");
        let mut missing = 0;
        for id in &usage.ids {
            let query = Query {
                facets: vec![(Facet::Response, id.clone())],
                tenant: Some(self.vault.tenant.clone()),
                limit: 1,
                ..Query::default()
            };
            if vault.find(access, &query).await.map_err(custody::advise_vault)?.is_empty() {
                missing += 1;
                if missing <= LISTED {
                    let words = format!("no record has the response {id}");
                    comparison.findings.push(Finding::reported(rule, rule.severity, &place, words));
                }
            }
            bar.inc(1);
        }
        bar.finish_and_clear();
        if missing > LISTED {
            let words = format!("{} more responses that no record has", missing - LISTED);
            comparison.findings.push(Finding::reported(rule, rule.severity, &place, words));
        }
        let provider = usage.provider.clone();
        comparison.usage.push(ComparedUsage { provider, ids: usage.ids.len(), missing });
        Ok(())
    }
}

/// A rule of this command.
fn known_rule(code: &str) -> &'static Rule {
    rule(code).expect("a test has each code")
}

fn unretrievable(lost: &LostRecord) -> Finding {
    let rule = known_rule("R50");
    let until = match (&lost.hold, lost.retention.until) {
        (Some(hold), _) => format!("it is under the legal hold `{hold}`"),
        (None, Some(until)) => format!("it must be kept until {}", output::moment(until)),
        (None, None) => "it has no retention period".to_owned(),
    };
    let words = format!("{}; {until}, and no erasure is recorded", lost.problem);
    let found = Finding::reported(rule, rule.severity, format!("record {}", lost.id), words);
    Finding { record: Some(lost.id.clone()), ..found }
}

/// Reports damage to the vault that no lost record explains: it is no finding about a record, and no comparison is complete with it.
async fn other_damage(vault: &Vault, lost: &[LostRecord]) -> anyhow::Result<()> {
    let Some(first) = vault.damage() else { return Ok(()) };
    output::warn(&format!("nothing can be written to the vault, because it is damaged: {first}"));
    let damage = vault.check(None, |_| {}).await.map_err(custody::advise_vault)?;
    let is_explained = |damage: &String| {
        let mut words = damage.split_whitespace().map(|word| word.trim_matches('`'));
        words.any(|word| lost.iter().any(|lost| lost.id.as_str() == word))
    };
    match damage.into_iter().find(|damage| !is_explained(damage)) {
        Some(other) => Err(custody::advise_vault(VaultError::Damaged(other))),
        None => Ok(()),
    }
}

/// What a comparison came to.
#[derive(Default)]
struct Comparison {
    findings: Vec<Finding>,
    reports: Vec<ComparedReport>,
    usage: Vec<ComparedUsage>,
    /// Records of the vault, the erased ones included.
    records: u64,
    /// Records that cannot be read, and need not be kept any more.
    not_owed: usize,
}

/// A report that was compared, without its findings.
struct ComparedReport {
    report: Report,
    findings: usize,
}

/// A provider's list that was compared.
struct ComparedUsage {
    provider: String,
    ids: usize,
    missing: usize,
}

impl Comparison {
    fn take_report(&mut self, mut report: Report) {
        let findings = std::mem::take(&mut report.findings);
        self.reports.push(ComparedReport { report, findings: findings.len() });
        self.findings.extend(findings);
    }

    /// How often each rule was broken, as far as it is listed.
    fn counts(&self) -> BTreeMap<&'static str, u64> {
        let mut counts = BTreeMap::new();
        for finding in &self.findings {
            *counts.entry(finding.rule.code).or_default() += 1;
        }
        counts
    }

    fn words(&self) -> String {
        let mut lines = vec![match self.findings.first() {
            None => "no findings".to_owned(),
            Some(worst) => {
                let number = output::count(self.findings.len() as u64, "finding", "findings");
                format!("{number}, the worst is {}", worst.severity)
            }
        }];
        for finding in &self.findings {
            let Finding { rule, severity, at, message, .. } = finding;
            let (at, message) = (plain(&at.join(", ")), plain(message));
            lines.push(format!("  {severity} {} {} at {at}: {message}", rule.code, rule.name));
            lines.push(format!("      fix: {}", finding.remedy()));
        }
        for ComparedReport { report, findings } in &self.reports {
            let Report { file, kind, origin, size, .. } = report;
            let size = size.map(|size| format!(" up to {}", output::count(size, "entry", "entries")));
            let (origin, size) = (plain(origin), size.unwrap_or_default());
            let found = output::count(*findings as u64, "finding", "findings");
            lines.push(format!("  {:<8}{file}: the log {origin}{size}, {found}", kind.name()));
        }
        for ComparedUsage { provider, ids, missing } in &self.usage {
            let ids = output::count(*ids as u64, "response", "responses");
            lines.push(format!("  {:<8}{}: {ids}, {missing} without a record", "usage", plain(provider)));
        }
        lines.push(format!("  {:<8}{}", "vault", self.vault_words()));
        lines.join("\n")
    }

    fn vault_words(&self) -> String {
        let lost = self.findings.iter().filter(|finding| finding.rule.code == "R50").count();
        let records = output::count(self.records, "record", "records");
        let mut words = match lost + self.not_owed {
            0 => format!("{records}; each can be read, or was erased lawfully"),
            all if all >= REPORTED_DAMAGE => format!("at least {all} records cannot be read"),
            all => format!("{records}, {all} cannot be read"),
        };
        if self.not_owed > 0 {
            words.push_str(&format!("; {} need not be kept any more", self.not_owed));
        }
        words
    }

    fn json(&self) -> Value {
        let finding = |finding: &Finding| {
            let mut value = json!(finding);
            value["remedy"] = finding.remedy().into();
            value
        };
        let report = |compared: &ComparedReport| {
            let Report { file, kind, origin, size, .. } = &compared.report;
            json!({ "file": file, "kind": kind.name(), "origin": origin, "size": size, "findings": compared.findings })
        };
        let usage = |compared: &ComparedUsage| json!({ "provider": compared.provider, "responses": compared.ids, "missing": compared.missing });
        json!({
            "clean": self.findings.is_empty(),
            "findings": self.findings.iter().map(finding).collect::<Vec<_>>(),
            "counts": self.counts(),
            "reports": self.reports.iter().map(report).collect::<Vec<_>>(),
            "usage": self.usage.iter().map(usage).collect::<Vec<_>>(),
            "vault": { "records": self.records, "unreadable_not_owed": self.not_owed },
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rules_of_this_command_are_judged_nowhere_else() {
        for code in ["R50", "R77"] {
            assert!(known_rule(code).is_checked_elsewhere(), "{code}");
        }
    }
}
