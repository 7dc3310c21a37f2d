//! The people that a name matches, and the confirmation before their records are erased, which cannot be undone.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead, IsTerminal, Write};

use serde_json::{Value, json};
use vouchlog_desk::{FoundPerson, PlannedErasure};
use vouchlog_record::Facet;
use vouchlog_session::plain;

use crate::advice::Advice;
use crate::output;
use crate::terminal;

/// The people that a name finds.
pub(super) struct FoundPeople {
    /// Records of each, by the names in the records; none if the caller may not read them.
    names: Option<BTreeMap<String, u64>>,
    records: usize,
    /// Whether further records, which were not looked at, may be those of other people.
    may_be_more: bool,
}

impl FoundPeople {
    /// The people that a plan found by this name.
    pub(super) fn of(plan: &PlannedErasure, name: &str) -> Self {
        let names = plan.people.as_ref().map(|people| {
            people.iter().map(|FoundPerson { name, records }| (name.clone(), *records)).collect()
        });
        // With an issuer, all there are belong to one person.
        let may_be_more = plan.more && !name.contains('|');
        Self { names, records: plan.records.len() + plan.refusals.len(), may_be_more }
    }

    /// The names, if the caller may read them.
    pub(super) fn names(&self) -> Option<Vec<String>> {
        Some(self.names.as_ref()?.keys().cloned().collect())
    }

    pub(super) fn is_empty(&self) -> bool {
        self.records == 0
    }

    /// One line for each name.
    pub(super) fn lines(&self) -> Vec<String> {
        let count = |records: u64| output::count(records, "record", "records");
        match &self.names {
            Some(names) => names
                .iter()
                .map(|(name, records)| format!("found {}: {}", plain(name), count(*records)))
                .collect(),
            None => vec![format!(
                "found {}; a token with the role read-metadata shows whose they are",
                count(self.records as u64)
            )],
        }
    }

    pub(super) fn as_json(&self) -> Value {
        let names = self.names.iter().flatten();
        names.map(|(name, records)| json!({ "subject": name, "records": records })).collect()
    }

    /// Asks whether these are meant; an error if not. `--yes` answers for one person, `--any-issuer` for several.
    pub(super) fn confirm(&self, yes: bool, any_issuer: bool) -> anyhow::Result<()> {
        if self.may_be_more && !any_issuer {
            return Err(Advice::error(
                format!(
                    "the name has more records than the {} that were looked at, so they may be those of several people",
                    self.records
                ),
                "name one as `iss|sub`, or erase all of them with --any-issuer",
            ));
        }
        let people = self.names.as_ref().map(|names| {
            names.keys().map(|name| Facet::Initiator.canonical(name).into_owned()).collect::<BTreeSet<_>>()
        });
        if yes {
            return match people {
                Some(people) if people.len() > 1 && !any_issuer => Err(Advice::error(
                    format!("the name fits several people: {}", Vec::from_iter(people).join(", ")),
                    "name one as `iss|sub`, or erase all of them with --any-issuer",
                )),
                None if !any_issuer => Err(Advice::error(
                    "this token cannot read whose records they are",
                    "use one with the role read-metadata, or erase all that were found with --any-issuer",
                )),
                _ => Ok(()),
            };
        }
        if !std::io::stdin().is_terminal() {
            return Err(Advice::error(
                format!("not confirmed, so nothing was erased: {}", self.lines().join("; ")),
                "look at it with --dry-run, then add --yes",
            ));
        }
        let asked = format!("{}\nErase for good? Type `yes`: ", self.lines().join("\n"));
        let mut stderr = std::io::stderr().lock();
        write!(stderr, "{}", terminal::words(&asked)).and_then(|()| stderr.flush())?;
        let mut answer = String::new();
        std::io::stdin().lock().read_line(&mut answer)?;
        anyhow::ensure!(answer.trim() == "yes", "not confirmed, so nothing was erased");
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(names: &[&str]) -> FoundPeople {
        let names: BTreeMap<String, u64> = names.iter().map(|name| ((*name).to_owned(), 2)).collect();
        FoundPeople { records: names.len() * 2, names: Some(names), may_be_more: false }
    }

    #[test]
    fn yes_is_an_answer_for_one_person_only() {
        found(&["https://a.example|u-1"]).confirm(true, false).unwrap();
        // Two spellings of one.
        found(&["https://a.example|u-1", "https://a.example/|u-1"]).confirm(true, false).unwrap();
        let two = found(&["https://a.example|u-1", "https://b.example|u-1"]);
        let error = two.confirm(true, false).unwrap_err().to_string();
        assert!(error.contains("https://a.example|u-1, https://b.example|u-1"), "{error}");
        two.confirm(true, true).unwrap();
        let many = FoundPeople { may_be_more: true, ..found(&["https://a.example|u-1"]) };
        assert!(many.confirm(true, false).is_err(), "others may follow");
        many.confirm(true, true).unwrap();
        let hidden = FoundPeople { names: None, records: 3, may_be_more: false };
        assert!(hidden.confirm(true, false).is_err());
        hidden.confirm(true, true).unwrap();
        assert_eq!(
            hidden.lines(),
            ["found 3 records; a token with the role read-metadata shows whose they are"]
        );
    }
}
