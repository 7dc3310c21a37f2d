//! `vouchlog erase`: destroys what makes records readable, and logs that it was lawful.

use std::path::PathBuf;

use anyhow::Context;
use serde_json::json;
use vouchlog_console::Letter;
use vouchlog_desk::{Erase, ErasedRecords, PlanErasure, PlannedErasure, Target};
use vouchlog_record::RecordId;

use super::custody::{CustodyArgs, VaultArgs};
use super::desk::OpenDesk;
use crate::output::{self, Outcome, Output};

mod letter;
mod people;

use people::FoundPeople;

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
        let desk = OpenDesk::reading(&self.vault).await?;
        let (mut found, mut letter, mut confirmed) = (None, None, None);
        if self.what.subject.is_some() || self.dry_run {
            for file in &self.letter {
                super::check_writable(file)?;
            }
            let summary = !self.letter.is_empty();
            let plan =
                desk.ask(PlanErasure { tenant: self.tenant(), target: self.target(), summary }).await?;
            if let Some(name) = &self.what.subject {
                found = Some(FoundPeople::of(&plan, name));
            }
            if self.dry_run {
                desk.close().await;
                return self.planned(output, &plan, found.as_ref());
            }
            // If nothing is found, an earlier erasure that was interrupted is still completed below.
            if let Some(found) = found.as_ref().filter(|found| !found.is_empty()) {
                found.confirm(self.yes, self.any_issuer)?;
                // A person who gets the name meanwhile was not confirmed.
                confirmed = found.names().filter(|_| !self.any_issuer);
                letter = Letter::begin(plan, super::custody::now_millis());
            }
        }
        let basis = self.basis.clone().context("--basis")?;
        let desk = desk.into_recording(&self.vault, &self.custody).await?;
        let ask = Erase { tenant: self.tenant(), target: self.target(), basis: basis.clone(), confirmed };
        let erased = desk.ask(ask).await;
        // Also if the log could not be reached: what is gone is gone.
        let written = match &mut letter {
            Some(letter) => letter::complete(letter, &desk, &basis, (self.tenant(), self.target()))
                .await
                .and_then(|()| letter::write(letter, &self.letter)),
            None => Ok(()),
        };
        desk.close().await;
        let erased = erased?;
        written?;
        self.answer(output, &erased, found.as_ref())
    }

    /// What is to be erased.
    fn target(&self) -> Target {
        match (&self.what.record, &self.what.subject) {
            (Some(record), _) => Target::Record(record.as_str().to_owned()),
            (None, Some(subject)) => Target::Subject(subject.clone()),
            (None, None) => Target::Due,
        }
    }

    /// The tenant whose records are erased; records that are due are erased for every tenant.
    fn tenant(&self) -> Option<String> {
        (!self.what.due).then(|| self.vault.tenant.clone())
    }

    /// Whether somebody was asked for of whom there is nothing. A person who asks to be erased must not be told that it is done.
    fn found_nobody(&self, records: usize, refusals: usize) -> bool {
        self.what.subject.is_some() && records + refusals == 0
    }

    fn planned(
        &self,
        output: Output,
        plan: &PlannedErasure,
        found: Option<&FoundPeople>,
    ) -> anyhow::Result<Outcome> {
        let PlannedErasure { records, refusals, more, .. } = plan;
        let mut lines = found.map(FoundPeople::lines).unwrap_or_default();
        lines.push(format!("would erase {}", output::count(records.len() as u64, "record", "records")));
        lines.extend(records.iter().map(|id| format!("  {id}")));
        let refused: Vec<&str> = refusals.iter().map(|refusal| refusal.words.as_str()).collect();
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
        erased: &ErasedRecords,
        found: Option<&FoundPeople>,
    ) -> anyhow::Result<Outcome> {
        let ErasedRecords { records, refusals, entries, objects_left } = erased;
        let refused: Vec<&str> = refusals.iter().map(|refusal| refusal.words.as_str()).collect();
        let mut lines = found.map(FoundPeople::lines).unwrap_or_default();
        lines.push(format!("erased {}", output::count(records.len() as u64, "record", "records")));
        lines.extend(records.iter().map(|id| format!("  {id}")));
        lines.extend(entries.iter().map(|entry| match entry.index {
            Some(index) => format!("  recorded at index {index}"),
            None => "  recorded, and on its way to the log".to_owned(),
        }));
        lines.extend(refused.iter().map(|refusal| format!("  REFUSED: {refusal}")));
        if *objects_left > 0 {
            lines.push(format!(
                "  not removed from the object store yet: {}. Without the destroyed keys nothing in them can be read; every process that has \
                 the vault open with --objects tries again until they are gone",
                output::count(*objects_left, "encrypted object", "encrypted objects")
            ));
        }
        let answer = json!({
            "found": found.map(FoundPeople::as_json), "erased": records, "refused": refused, "entries": entries,
            "objects_left": objects_left,
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
