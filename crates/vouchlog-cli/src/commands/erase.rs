//! `vouchlog erase`: destroys what makes records readable, and logs that it was lawful.

use std::path::PathBuf;

use anyhow::Context;
use serde_json::json;
use vouchlog_record::RecordId;
use vouchlog_vault::{Access, Erased, ErasurePlan, Scope, Vault, VaultError};

use super::custody::{self, CustodyArgs, VaultArgs};
use crate::output::{self, Outcome, Output};

mod letter;
mod people;

use letter::Letter;
use people::FoundPeople;

/// Records erased because their time is over, in one go.
const SWEEP: usize = 1_000;

/// Erase records permanently and log the legal basis; every proof still holds afterwards
#[derive(clap::Args)]
#[command(after_help = "Examples:\n  vouchlog erase --vault vault --subject u-20931 --dry-run\n  \
                        vouchlog erase --vault vault --subject 'https://idp.example|u-20931' --basis 'GDPR Art. 17(1)(a)' --yes \\\n    \
                        --letter letter.html --letter letter.txt\n  \
                        vouchlog erase --vault vault --due --basis 'retention period over'\n\n\
                        The keys of the records are destroyed. What remains shows that the records existed and why they were erased. Records\n\
                        under a legal hold or a retention duty are refused, and the refusal is recorded too. docs/vault.md lists what an\n\
                        erasure does not reach, such as backups.\n\
                        Exit status: 0 all were erased, or none is due; 1 some must be kept, or nothing of the person was found; 2 an error,\n\
                        or not confirmed.")]
pub(crate) struct Args {
    #[command(flatten)]
    vault: VaultArgs,
    #[command(flatten)]
    custody: CustodyArgs,
    #[command(flatten)]
    what: What,
    /// The legal basis, as a citation; it goes into the log, so it must not name a person
    #[arg(long, value_name = "TEXT", required_unless_present = "dry_run")]
    basis: Option<String>,
    /// Show which records would be erased and which must be kept, and change nothing
    #[arg(long, conflicts_with = "basis")]
    dry_run: bool,
    /// With --subject: erase without asking for confirmation. Required if there is no terminal
    #[arg(long, requires = "subject", conflicts_with = "dry_run")]
    yes: bool,
    /// With --yes: also erase if the name matches several people, such as one at each of two issuers
    #[arg(long, requires = "yes")]
    any_issuer: bool,
    /// With --subject: write a letter for the person, on what was held, what was erased, and what remains, why and until when. A page
    /// of HTML if the name ends in .html, else text; may be given twice
    #[arg(long, value_name = "FILE", requires = "subject", conflicts_with = "dry_run")]
    letter: Vec<PathBuf>,
}

/// What to erase.
#[derive(clap::Args)]
#[group(required = true, multiple = false)]
struct What {
    /// This record
    #[arg(long, value_name = "ID")]
    record: Option<RecordId>,
    /// All records of this person: issuer and subject as `iss|sub`, or `sub` alone to find it at every issuer. Unicode forms and a slash
    /// at the issuer's end make no difference
    #[arg(long, value_name = "SUBJECT")]
    subject: Option<String>,
    /// All records whose retention period is over
    #[arg(long)]
    due: bool,
}

impl Args {
    pub(crate) async fn run(self, output: Output) -> anyhow::Result<Outcome> {
        let (vault, access) = self.vault.open().await?;
        let (mut found, mut letter) = (None, None);
        if self.what.subject.is_some() || self.dry_run {
            let scope = self.scope(&vault, &access).await.map_err(custody::advise_vault)?;
            let plan = vault.plan_erasure(&access, &scope, custody::now_millis()).await;
            let plan = plan.map_err(custody::advise_vault)?;
            if let Some(name) = &self.what.subject {
                found = Some(FoundPeople::read(&vault, &access, &plan, name).await?);
            }
            if self.dry_run {
                return self.planned(output, &plan, found.as_ref());
            }
            // If nothing is found, an earlier erasure that was interrupted is still completed below.
            if let Some(found) = found.as_ref().filter(|found| !found.is_empty()) {
                found.confirm(self.yes, self.any_issuer)?;
                letter = self.begin_letter(&vault, &access, &plan).await?;
            }
        }
        let basis = self.basis.as_ref().context("give the legal basis, with --basis")?;
        let custodian = self.custody.open(&self.vault, vault.clone(), access.clone()).await?;
        let erase = async {
            let recorder = custodian.recorder();
            recorder.resume().await?;
            let mut erased = Vec::new();
            loop {
                let scope = self.scope(&vault, &access).await?;
                let done = recorder.erase(&access, &scope, basis).await?;
                let go_on = done.more || self.what.due && !done.records.is_empty();
                erased.push(done);
                // Otherwise records that must stay would be found again without end.
                if !go_on || erased.last().is_some_and(|done| done.records.is_empty()) {
                    break;
                }
            }
            recorder.flush().await?;
            Ok(erased)
        };
        let erased = self.custody.patiently(&custodian, erase).await;
        custodian.stop().await;
        // Also if the log could not be reached: what is gone is gone.
        if let Some(letter) = letter {
            let scope = self.scope(&vault, &access).await.map_err(custody::advise_vault)?;
            let letter = letter.done(&vault, &access, basis, &scope).await.map_err(custody::advise_vault)?;
            letter.write(&self.letter)?;
        }
        let erased = erased?;
        let mut entries = Vec::new();
        for id in erased.iter().filter_map(|erased| erased.entry.as_ref()) {
            let row = vault.row(&access, id).await.map_err(custody::advise_vault)?;
            entries.push(json!({ "record": id, "index": row.place.map(|place| place.index.get()) }));
        }
        self.answer(output, &erased, &entries, found.as_ref())
    }

    /// What is to be erased.
    async fn scope(&self, vault: &Vault, access: &Access) -> Result<Scope, VaultError> {
        Ok(match (&self.what.record, &self.what.subject) {
            (Some(record), _) => Scope::Record(record.clone()),
            (None, Some(subject)) => {
                Scope::Subject { tenant: Some(self.vault.tenant.clone()), subject: subject.clone() }
            }
            (None, None) => Scope::Retention(vault.due(access, custody::now_millis(), SWEEP).await?),
        })
    }

    /// Gathers what the letter states, if one was asked for, before it is erased. Its files must be writable before anything is erased.
    async fn begin_letter(
        &self,
        vault: &Vault,
        access: &Access,
        plan: &ErasurePlan,
    ) -> anyhow::Result<Option<Letter>> {
        let Some(name) = self.what.subject.as_ref().filter(|_| !self.letter.is_empty()) else {
            return Ok(None);
        };
        for file in &self.letter {
            super::check_writable(file)?;
        }
        Letter::gather(vault, access, plan, name).await.map(Some)
    }

    /// Whether somebody was asked for of whom there is nothing. A person who asks to be erased must not be told that it is done.
    fn found_nobody(&self, records: usize, refusals: usize) -> bool {
        self.what.subject.is_some() && records + refusals == 0
    }

    fn planned(
        &self,
        output: Output,
        plan: &ErasurePlan,
        found: Option<&FoundPeople>,
    ) -> anyhow::Result<Outcome> {
        let ErasurePlan { records, refusals, more, .. } = plan;
        let mut lines = found.map(FoundPeople::lines).unwrap_or_default();
        lines.push(format!("would erase {}", output::count(records.len() as u64, "record", "records")));
        lines.extend(records.iter().map(|id| format!("  {id}")));
        let refused: Vec<String> = refusals.iter().map(ToString::to_string).collect();
        lines.extend(refused.iter().map(|refusal| format!("  would refuse: {refusal}")));
        lines.extend(more.then(|| "  and more".to_owned()));
        self.say(
            output,
            lines,
            &json!({
                "found": found.map(FoundPeople::as_json), "would_erase": records, "would_refuse": refused, "more": more,
            }),
            (records.len(), refusals.len()),
        )
    }

    fn answer(
        &self,
        output: Output,
        erased: &[Erased],
        entries: &[serde_json::Value],
        found: Option<&FoundPeople>,
    ) -> anyhow::Result<Outcome> {
        let records: Vec<&RecordId> = erased.iter().flat_map(|erased| &erased.records).collect();
        let refusals: Vec<String> =
            erased.iter().flat_map(|erased| &erased.refusals).map(ToString::to_string).collect();
        let mut lines = found.map(FoundPeople::lines).unwrap_or_default();
        lines.push(format!("erased {}", output::count(records.len() as u64, "record", "records")));
        lines.extend(records.iter().map(|id| format!("  {id}")));
        lines.extend(entries.iter().map(|entry| format!("  recorded at index {}", entry["index"])));
        lines.extend(refusals.iter().map(|refusal| format!("  REFUSED: {refusal}")));
        let answer = json!({
            "found": found.map(FoundPeople::as_json), "erased": records, "refused": refusals, "entries": entries,
        });
        self.say(output, lines, &answer, (records.len(), refusals.len()))
    }

    fn say(
        &self,
        output: Output,
        mut lines: Vec<String>,
        answer: &serde_json::Value,
        (records, refusals): (usize, usize),
    ) -> anyhow::Result<Outcome> {
        let found_nobody = self.found_nobody(records, refusals);
        if found_nobody {
            lines.push(
                "no records of this subject were found in this tenant: give `iss|sub`, or `sub` alone for every issuer.\n\
                 Names are case-sensitive"
                    .to_owned(),
            );
        }
        output.answer(&lines.join("\n"), answer)?;
        Ok(if refusals == 0 && !found_nobody { Outcome::Fine } else { Outcome::Finding })
    }
}
