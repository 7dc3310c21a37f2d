//! The collector's own state, as the vault has it: what it declared lost, intents without an outcome, sessions without a seal.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::Serialize;
use vouchlog_grading::{SessionFacts, SetFacts, grade_set};
use vouchlog_record::{Facet, Record, RecordId};
use vouchlog_stream::StatementKind;
use vouchlog_vault::{Access, Query, Vault, VaultError};

use super::facts::{RowFacts, counted, time};

/// Ids of one list that are told.
const MAX_TOLD: usize = 50;

/// What is kept of the records for this.
#[derive(Default)]
pub(super) struct StateTally {
    /// Records that were erased lawfully: nothing of them is known any more.
    pub(super) erased: u64,
    kinds: BTreeMap<&'static str, u64>,
    losses: Vec<Loss>,
    /// The little of each record that tells which belong together.
    slim: Vec<(RecordId, Record)>,
    sessions: BTreeMap<String, i64>,
    /// Intents that the collector gave up on.
    given_up: Vec<RecordId>,
    findings: BTreeMap<String, u64>,
}

/// A loss that a gateway or collector declared.
#[derive(Debug, Serialize)]
pub struct Loss {
    /// When it began.
    pub from: Option<Timestamp>,
    /// When it ended.
    pub to: Option<Timestamp>,
    /// How many items or records were lost, if that is known.
    pub count: Option<u64>,
    /// Why, as a word such as `disk_budget`.
    pub cause: Option<String>,
    /// The mode the collector ran in.
    pub mode: Option<String>,
}

/// What the records say of the collector itself.
#[derive(Debug, Serialize)]
pub struct CollectorState {
    /// Records by kind.
    pub kinds: BTreeMap<&'static str, u64>,
    /// Records that were erased lawfully.
    pub erased: u64,
    /// Findings that are on record, by rule.
    pub findings: BTreeMap<String, u64>,
    /// Declared losses.
    pub losses: Vec<Loss>,
    /// Intents whose outcome is nowhere in the vault.
    pub intents_without_outcome: Vec<RecordId>,
    /// Sessions with an interaction in the window.
    pub sessions: u64,
    /// Those of them that are over and have no seal.
    pub unsealed_sessions: Vec<String>,
    /// Records that a session has beyond its seal.
    pub after_seal: u64,
}

impl StateTally {
    pub(super) fn take(&mut self, row: &RowFacts, record: &Record) {
        *self.kinds.entry(record.kind.name()).or_default() += 1;
        let body = &record.body;
        if let Some(loss) = body.declared_loss.value() {
            self.losses.push(Loss {
                from: loss.from.value().copied(),
                to: loss.to.value().copied(),
                count: loss.count.value().copied(),
                cause: loss.cause.value().cloned(),
                mode: loss.mode.value().cloned(),
            });
        }
        let finding = body.finding.value();
        if let Some(code) = finding.and_then(|finding| finding.code.value()) {
            *self.findings.entry(code.clone()).or_default() += 1;
        }
        if let Some(finding) =
            finding.filter(|finding| finding.code.value().is_some_and(|code| code == "R69"))
        {
            self.given_up.extend(finding.record.value().cloned());
        }
        use StatementKind::{Intent, Interaction, SessionSeal};
        if !matches!(record.kind, Intent | Interaction | SessionSeal) {
            return;
        }
        let session = body.correlation.value().and_then(|correlation| correlation.session.value());
        if let Some(session) = session.filter(|_| record.kind == Interaction) {
            let last = self.sessions.entry(session.clone()).or_insert(row.started_at);
            *last = row.started_at.max(*last);
        }
        let mut slim = Record::new(record.kind);
        slim.body.time = body.time.clone();
        slim.body.correlation = body.correlation.clone();
        slim.body.session_seal = body.session_seal.clone();
        if let Some(custody) = body.custody.value() {
            slim.body.custody.get_or_default().recorder = custody.recorder.clone();
        }
        self.slim.push((row.id.clone(), slim));
    }

    /// What that says.
    pub(super) fn judge(self, now: Timestamp) -> CollectorState {
        let of_session = |(name, last): (&String, &i64)| SessionFacts::by_age(name.clone(), time(*last), now);
        let sessions = self.sessions.iter().map(of_session).collect();
        let facts = SetFacts { sessions, now: Some(now), ..SetFacts::default() };
        let known: Vec<(RecordId, &Record)> =
            self.slim.iter().map(|(id, record)| (id.clone(), record)).collect();
        let (mut orphans, mut unsealed, mut after_seal) = (self.given_up, Vec::new(), 0);
        for finding in grade_set(&known, &facts) {
            match (finding.rule.code, finding.record) {
                ("R69", Some(intent)) => orphans.push(intent),
                ("R66", _) => {
                    let names = finding.at.iter().filter_map(|at| at.strip_prefix("session "));
                    unsealed.extend(names.map(str::to_owned));
                }
                ("R67", _) => after_seal += 1,
                _ => {}
            }
        }
        orphans.sort_unstable();
        orphans.dedup();
        CollectorState {
            kinds: self.kinds,
            erased: self.erased,
            findings: self.findings,
            losses: self.losses,
            intents_without_outcome: orphans,
            sessions: self.sessions.len() as u64,
            unsealed_sessions: unsealed,
            after_seal,
        }
    }
}

impl CollectorState {
    /// Looks orphans up before they are called so: an outcome may be outside the window.
    pub(super) async fn look_up(
        &mut self,
        vault: &Vault,
        access: &Access,
        tenant: &str,
    ) -> Result<(), VaultError> {
        let mut lone = Vec::new();
        for intent in std::mem::take(&mut self.intents_without_outcome) {
            let query = Query {
                facets: vec![(Facet::Refers, intent.as_str().to_owned())],
                tenant: Some(tenant.to_owned()),
                kinds: vec![StatementKind::Interaction],
                limit: 1,
                ..Query::default()
            };
            if vault.find(access, &query).await?.is_empty() {
                lone.push(intent);
            }
        }
        self.intents_without_outcome = lone;
        Ok(())
    }

    /// What is critical, in words.
    pub(super) fn critical(&self) -> Vec<String> {
        let mut critical = Vec::new();
        let orphans = &self.intents_without_outcome;
        if !orphans.is_empty() {
            let ids: Vec<&str> = orphans.iter().take(MAX_TOLD).map(RecordId::as_str).collect();
            let number = counted(orphans.len() as u64, "intent");
            critical.push(format!("{number} without an outcome (R69): {}", ids.join(", ")));
        }
        if let Some(count) = self.findings.get("R71") {
            critical.push(format!("spans that were sent twice with different content (R71): {count}"));
        }
        critical
    }
}
