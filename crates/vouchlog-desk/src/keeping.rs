//! How long records are kept, and what the vault counts for reports on duties.

use std::collections::BTreeSet;
use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use vouchlog_grading::Figures;
use vouchlog_stream::{LoggedAt, StatementKind};
use vouchlog_vault::{Access, Operation, Query, Row};

use crate::ask::Ask;
use crate::error::DeskError;
use crate::local::LocalDesk;

/// Bits of the evidence bitmap.
const APPROVAL: u32 = 1 << 7;
const ATTRIBUTABLE: u32 = 1 << 26;
const COMPLETE: u32 = 1 << 27;

/// Sets how long records of a class are kept at least.
#[derive(Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SetRetention {
    /// The class, as records name it.
    pub class: String,
    /// The minimum, in seconds.
    pub seconds: u64,
}

/// That a period was set.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RetentionSet {
    /// The class.
    pub class: String,
    /// The minimum, in seconds.
    pub seconds: u64,
}

impl Ask for SetRetention {
    type Answer = RetentionSet;
    const NAME: &'static str = "set-retention";
    const SUMMARY: &'static str = "Sets how long records of a class are kept at least, for every tenant";

    fn operation(&self) -> Operation {
        Operation::SetRetention
    }

    fn tenant(&self) -> Option<&str> {
        None
    }

    async fn answer(self, desk: &LocalDesk, access: &Access) -> Result<RetentionSet, DeskError> {
        let Self { class, seconds } = self;
        desk.vault().set_retention(access, &class, Duration::from_secs(seconds)).await?;
        Ok(RetentionSet { class, seconds })
    }
}

/// The classes of which a period is set.
#[derive(Clone, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ListRetention {}

/// The classes, by name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RetentionClasses {
    /// The classes.
    pub classes: Vec<RetentionClass>,
}

/// A class.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RetentionClass {
    /// Its name.
    pub class: String,
    /// The minimum, in seconds.
    pub seconds: u64,
}

impl Ask for ListRetention {
    type Answer = RetentionClasses;
    const NAME: &'static str = "list-retention";
    const SUMMARY: &'static str = "Lists the retention classes and their periods";

    fn operation(&self) -> Operation {
        Operation::Read
    }

    fn tenant(&self) -> Option<&str> {
        None
    }

    async fn answer(self, desk: &LocalDesk, access: &Access) -> Result<RetentionClasses, DeskError> {
        let classes = desk.vault().retention_classes(access).await?;
        let row = |(class, keep): (String, Duration)| RetentionClass { class, seconds: keep.as_secs() };
        Ok(RetentionClasses { classes: classes.into_iter().map(row).collect() })
    }
}

/// What the vault counts for reports on duties. Nothing is opened.
#[derive(Clone, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CountRecords {
    /// Whose records.
    #[serde(default)]
    pub tenant: Option<String>,
    /// `next` of an earlier page.
    #[serde(default)]
    pub after: Option<String>,
}

/// Counts of a page of up to 100,000 records. Those of several pages are added.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct CountedRecords {
    /// Records by the names of their kinds.
    pub kinds: std::collections::BTreeMap<String, u64>,
    /// Interactions that claim to be attributable.
    pub attributable: u64,
    /// Interactions that claim to be complete.
    pub complete: u64,
    /// Interactions with an approval.
    pub approvals: u64,
    /// When the oldest of them was logged.
    #[schema(value_type = Option<String>)]
    pub oldest: Option<Timestamp>,
    /// The records that state an erasure by which something on this page was erased.
    pub erasures: BTreeSet<String>,
    /// Legal holds in force.
    pub holds: u64,
    /// Give it as `after` for the next page; none after the last one.
    pub next: Option<String>,
}

/// Pages of the vault that make a page of counts.
const PAGES_COUNTED: usize = 100;

impl Ask for CountRecords {
    type Answer = CountedRecords;
    const NAME: &'static str = "count-records";
    const SUMMARY: &'static str = "Counts records for reports on duties";

    fn operation(&self) -> Operation {
        Operation::Read
    }

    fn tenant(&self) -> Option<&str> {
        self.tenant.as_deref()
    }

    async fn answer(self, desk: &LocalDesk, access: &Access) -> Result<CountedRecords, DeskError> {
        let after = crate::bounds::place(self.after.as_deref())?;
        let mut counted = CountedRecords::default();
        let mut pages = desk.vault().pages(access, Query { tenant: self.tenant, after, ..Query::default() });
        for _ in 0..PAGES_COUNTED {
            let Some(rows) = pages.next().await? else {
                counted.next = None;
                break;
            };
            rows.iter().for_each(|row| counted.add(row));
            counted.next = rows.last().map(|row| row.cursor().to_string());
        }
        counted.holds = desk.vault().holds(access).await?.len() as u64;
        Ok(counted)
    }
}

impl CountedRecords {
    fn add(&mut self, row: &Row) {
        *self.kinds.entry(row.kind.name().to_owned()).or_default() += 1;
        if let Some(at) = row.place.and_then(|place| moment(place.logged_at)) {
            self.oldest = Some(self.oldest.map_or(at, |oldest| oldest.min(at)));
        }
        // An entry on an erasure may say that everything was refused: what was erased names the entry that says so.
        if let Some(erased) = row.erased.as_ref().filter(|erased| erased.finished) {
            self.erasures.insert(erased.record.as_str().to_owned());
        }
        if row.kind == StatementKind::Interaction {
            let has = |bit: u32| u64::from(row.evidence.bits() & bit != 0);
            self.attributable += has(ATTRIBUTABLE);
            self.complete += has(COMPLETE);
            self.approvals += has(APPROVAL);
        }
    }

    /// Adds a later page.
    pub fn extend(&mut self, page: Self) {
        for (kind, records) in page.kinds {
            *self.kinds.entry(kind).or_default() += records;
        }
        self.attributable += page.attributable;
        self.complete += page.complete;
        self.approvals += page.approvals;
        self.oldest = self.oldest.into_iter().chain(page.oldest).min();
        self.erasures.extend(page.erasures);
        (self.holds, self.next) = (page.holds, page.next);
    }

    /// Fills in the figures that the vault knows.
    pub fn figures(&self, figures: &mut Figures) {
        figures.records = Some(self.kinds.values().sum());
        figures.interactions = Some(self.of_kind(StatementKind::Interaction));
        (figures.attributable, figures.complete) = (Some(self.attributable), Some(self.complete));
        figures.approvals = Some(self.approvals);
        figures.configurations = Some(self.of_kind(StatementKind::Configuration));
        figures.credential_events = Some(self.of_kind(StatementKind::CredentialEvent));
        figures.disclosures = Some(self.of_kind(StatementKind::Disclosure));
        figures.erasures = Some(self.erasures.len() as u64);
        figures.findings = Some(self.of_kind(StatementKind::Finding));
        figures.holds = Some(self.holds);
        figures.oldest_record = self.oldest;
    }

    /// Records of a kind.
    fn of_kind(&self, kind: StatementKind) -> u64 {
        self.kinds.get(kind.name()).copied().unwrap_or_default()
    }
}

fn moment(at: LoggedAt) -> Option<Timestamp> {
    Timestamp::from_millisecond(i64::try_from(at.millis()).ok()?).ok()
}
