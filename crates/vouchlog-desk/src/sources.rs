//! Where evidence comes from: the services whose records the vault has, how far the records of each reach, and the collectors that bring
//! them. `vouchlog-collector` examines the records, as for `vouchlog doctor`; here is what of that is asked over the interface.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use vouchlog_collector::doctor::{
    HeartbeatReport, Ladder, Missing, Report, ServiceReport, Step, UNNAMED, Window, examine,
};
use vouchlog_vault::limits::MAX_LISTED;
use vouchlog_vault::{Access, Facet, IdentityQuery, IdentitySummary, Operation};

use crate::ask::Ask;
use crate::erasing::now;
use crate::error::DeskError;
use crate::limits::{EXAMINED_RECORDS, EXAMINED_SPAN, SHOWN_MISSING};
use crate::local::LocalDesk;

/// The sources of a tenant's records. It reads facts, never content.
#[derive(Clone, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ListSources {
    /// Whose; without it, of the tenant that the vault had first of those that the caller has access to.
    #[serde(default)]
    pub tenant: Option<String>,
    /// Examine records that began at this time or later, in milliseconds since 1970-01-01 UTC; without it, those of the last seven days.
    #[serde(default)]
    pub from: Option<i64>,
}

/// The sources, those that lack the most first.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SourceRows {
    /// Whose records; none if the vault has none.
    pub tenant: Option<String>,
    /// Records that began at this time or later were examined.
    pub from: i64,
    /// When they were examined.
    pub to: i64,
    /// Records that were read, the newest, 2,000 at most.
    pub read: u64,
    /// Whether there are more in that time.
    pub truncated: bool,
    /// The services.
    pub sources: Vec<SourceRow>,
    /// Whether there are more services than the 200 that came last.
    pub more: bool,
    /// The collectors whose heartbeats are among the records.
    pub collectors: Vec<CollectorRow>,
    /// When each door of a collector last received anything.
    pub doors: Vec<DoorRow>,
    /// Spans that no mapping table understands. Nothing else of them is in the vault.
    pub unclaimed: Vec<UnclaimedSpans>,
    /// Losses that a collector declared.
    pub losses: u64,
    /// Heartbeats whose counts are those of the vault.
    pub agreeing: u64,
    /// Heartbeats whose counts are others than those of the vault.
    pub disagreeing: u64,
    /// Heartbeats that could not be compared.
    pub unchecked: u64,
    /// What is critical, in words.
    pub critical: Vec<String>,
}

/// A service whose records the vault has.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SourceRow {
    /// The name that it gives itself; none of records that name no service.
    pub service: Option<String>,
    /// When its first record started; not known of one that is no service by name.
    pub first: Option<i64>,
    /// When its last record started.
    pub last: Option<i64>,
    /// All its records.
    pub records: Option<u64>,
    /// How far its records reach, for each kind of gateway that it sends by. None if no record of it was read: then that is not known.
    pub examined: Vec<ExaminedSource>,
}

/// What the records of a source hold and lack.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ExaminedSource {
    /// The kind of gateway, for people.
    pub gateway: String,
    /// Its page in `docs/gateways`.
    pub page: String,
    /// When the vault took the last of the records that were read.
    pub arrived: i64,
    /// Records of interactions that were read.
    pub records: u64,
    /// Those that have all that their profile asks for.
    pub complete: u64,
    /// The three identity questions, in order.
    pub questions: Vec<SourceQuestion>,
    /// What to do next; none where all is complete, or where nothing is known that would help.
    pub next: Option<SourceStep>,
    /// What is missing, the most frequent first.
    pub missing: Vec<MissingEvidence>,
    /// How many rules found something.
    pub rules: u64,
    /// The principals that sent the records, as the collector recognised them. None if callers of the collector are not authenticated.
    pub emitters: Vec<String>,
    /// Records whose source leaves interactions out.
    pub sampled: u64,
    /// Records of calls whose accounts contradict each other.
    pub conflicts: u64,
}

/// An identity question, and how many records answer it with *yes*.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SourceQuestion {
    /// As people ask it.
    pub question: String,
    /// Records that answer it with *yes*.
    pub yes: u64,
}

/// What takes a source further.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum SourceStep {
    /// Lines to add to its configuration.
    Add {
        /// Where they go.
        to: String,
        /// The lines.
        lines: Vec<String>,
        /// What to mind; empty if nothing.
        note: String,
        /// The rules that they mend.
        rules: Vec<String>,
        /// Records that they were tried on.
        tried_on: u64,
        /// Findings in the way among those, without the lines.
        before: u64,
        /// The same with the lines.
        after: u64,
    },
    /// No setting of the gateway does it.
    Beyond {
        /// The rules.
        rules: Vec<String>,
        /// Why not.
        why: String,
        /// Who can, and how.
        who: String,
    },
}

/// What a rule found in records of a source.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct MissingEvidence {
    /// The rule.
    pub code: String,
    /// What it found.
    pub found: String,
    /// The worst that it was: `info`, `warn`, `error` or `critical`.
    pub severity: String,
    /// In how many records.
    pub records: u64,
}

/// A collector, by its heartbeats.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct CollectorRow {
    /// Its name; empty if it gives none.
    pub collector: String,
    /// Heartbeats that were read.
    pub heartbeats: u64,
    /// Up to when the last of them counts.
    pub last: i64,
}

/// A door of a collector.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct DoorRow {
    /// `traces`, `logs`, `records`, `litellm`, `opa`, `intents` or `seal`.
    pub door: String,
    /// When it last received anything.
    pub last: i64,
}

/// Spans of one emitter that no mapping table understands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct UnclaimedSpans {
    /// The service; empty if it gives none.
    pub service: String,
    /// The instrumentation scope; empty if it gives none.
    pub scope: String,
    /// How many.
    pub spans: u64,
}

impl Ask for ListSources {
    type Answer = SourceRows;
    const NAME: &'static str = "list-sources";
    const SUMMARY: &'static str = "Lists the sources of records: when each last sent, how far its evidence reaches, and what to do next";

    fn operation(&self) -> Operation {
        Operation::Read
    }

    fn tenant(&self) -> Option<&str> {
        self.tenant.as_deref()
    }

    async fn answer(self, desk: &LocalDesk, access: &Access) -> Result<SourceRows, DeskError> {
        let vault = desk.vault();
        let Some(tenant) = vault.tenants(access).await?.into_iter().next() else {
            return Ok(SourceRows::default());
        };
        let to = now();
        let from = self.from.unwrap_or(to.saturating_sub(EXAMINED_SPAN));
        let window = Window { tenant: tenant.clone(), from, now: to, service: None, limit: EXAMINED_RECORDS };
        let report = examine(vault, access, &window, |_, _| ()).await?;
        let query = IdentityQuery {
            facet: Facet::Service,
            tenant: Some(tenant.clone()),
            after: None,
            limit: MAX_LISTED,
        };
        let known = vault.identities(access, &query).await?;
        let more = known.len() == MAX_LISTED;
        let Report { read, truncated, services, collector, heartbeats, critical, .. } = report;
        let rows = SourceRows {
            tenant: Some(tenant),
            from,
            to,
            read,
            truncated,
            more,
            critical,
            ..SourceRows::default()
        };
        let losses = collector.losses.len() as u64;
        Ok(SourceRows { sources: sources(known, services), losses, ..rows.with_heartbeats(heartbeats) })
    }
}

impl SourceRows {
    fn with_heartbeats(self, heartbeats: HeartbeatReport) -> Self {
        let HeartbeatReport { recorders, doors, unclaimed, agreeing, disagreeing, unchecked, .. } =
            heartbeats;
        let collector = |one: vouchlog_collector::doctor::RecorderReport| CollectorRow {
            collector: one.recorder,
            heartbeats: one.heartbeats,
            last: one.last.as_millisecond(),
        };
        let spans = |one: vouchlog_collector::doctor::UnclaimedReport| UnclaimedSpans {
            service: one.service,
            scope: one.scope,
            spans: one.spans,
        };
        Self {
            collectors: recorders.into_iter().map(collector).collect(),
            doors: doors
                .into_iter()
                .map(|(door, last)| DoorRow { door, last: last.as_millisecond() })
                .collect(),
            unclaimed: unclaimed.into_iter().take(SHOWN_MISSING).map(spans).collect(),
            agreeing,
            disagreeing: disagreeing.len() as u64,
            unchecked,
            ..self
        }
    }
}

/// The services that the vault knows, and those among the examined records that are none by name.
fn sources(known: Vec<IdentitySummary>, services: Vec<ServiceReport>) -> Vec<SourceRow> {
    let mut examined: BTreeMap<String, Vec<ExaminedSource>> = BTreeMap::new();
    for report in services {
        examined.entry(report.service.clone()).or_default().push(ExaminedSource::of(&report));
    }
    let of_known = |one: IdentitySummary| SourceRow {
        first: Some(one.first_at),
        last: Some(one.last_at),
        records: Some(one.records),
        examined: examined.remove(&one.value).unwrap_or_default(),
        service: Some(one.value),
    };
    let mut rows: Vec<SourceRow> = known.into_iter().map(of_known).collect();
    let others = examined.into_iter().map(|(service, examined)| SourceRow {
        service: Some(service).filter(|service| service != UNNAMED),
        first: None,
        last: None,
        records: None,
        examined,
    });
    rows.extend(others);
    // What lacks the most is first, then what is silent, then what is complete.
    rows.sort_by_cached_key(|row| {
        let open = row.examined.iter().map(ExaminedSource::open).max();
        (std::cmp::Reverse(open.map_or(1, |open| if open == 0 { 0 } else { open + 1 })), row.service.clone())
    });
    rows
}

impl ExaminedSource {
    fn of(report: &ServiceReport) -> Self {
        let rules = report.missing.len() as u64;
        Self {
            gateway: report.name.to_owned(),
            page: report.page.to_owned(),
            arrived: report.arrived.as_millisecond(),
            records: report.records,
            complete: report.complete,
            next: next(report),
            questions: questions(&report.ladder),
            missing: report.missing.iter().take(SHOWN_MISSING).map(MissingEvidence::of).collect(),
            rules,
            emitters: report.emitters.by_frequency().into_iter().map(|(name, _)| name.to_owned()).collect(),
            sampled: report.sampled,
            conflicts: report.conflicts,
        }
    }

    /// Steps of the ladder that not every record has taken.
    fn open(&self) -> usize {
        let questions = self.questions.iter().filter(|question| question.yes < self.records).count();
        questions + usize::from(self.complete < self.records)
    }
}

fn questions(ladder: &Ladder) -> Vec<SourceQuestion> {
    let question = |rung: &vouchlog_collector::doctor::Rung| SourceQuestion {
        question: rung.question.text().to_owned(),
        yes: rung.yes,
    };
    ladder.questions.iter().map(question).collect()
}

fn next(report: &ServiceReport) -> Option<SourceStep> {
    let owned = |codes: &[&'static str]| codes.iter().map(|code| (*code).to_owned()).collect();
    match report.ladder.next.as_ref()? {
        Step::Add { suggestion, effect } => report.add.get(*suggestion).map(|add| SourceStep::Add {
            to: add.to.to_owned(),
            lines: add.lines.to_vec(),
            note: add.note.to_owned(),
            rules: owned(&add.mends),
            tried_on: effect.tried_on,
            before: effect.findings.before,
            after: effect.findings.after,
        }),
        Step::Beyond { open } => report.beyond.get(*open).map(|open| SourceStep::Beyond {
            rules: owned(&open.rules),
            why: open.why.to_owned(),
            who: open.who.to_owned(),
        }),
    }
}

impl MissingEvidence {
    fn of(missing: &Missing) -> Self {
        Self {
            code: missing.rule.code.to_owned(),
            found: missing.told.clone(),
            severity: missing.severity.to_string(),
            records: missing.records,
        }
    }
}
