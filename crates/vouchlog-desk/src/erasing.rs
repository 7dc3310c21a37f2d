//! Erasing: what it would do, and doing it. What was erased and what was refused goes on record between the intent and the end.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use vouchlog_merkle::LeafIndex;
use vouchlog_record::{Facet, RecordId};
use vouchlog_vault::{
    Access, Erased, ErasurePlan, Operation, Refusal, Role, Scope, VaultError, Why, people_named,
};

use crate::ask::Ask;
use crate::bounds;
use crate::error::DeskError;
use crate::local::LocalDesk;
use crate::person::PersonSummary;

/// Records erased because their time is over, in one go.
const SWEEP: usize = 1_000;

/// What is to be erased.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Target {
    /// One record.
    Record(String),
    /// All records of a person: `iss|sub`, or `sub` alone at every issuer.
    Subject(String),
    /// All records whose retention period is over.
    Due,
}

impl Target {
    async fn scope(&self, desk: &LocalDesk, access: &Access, now: i64) -> Result<Scope, VaultError> {
        Ok(match self {
            Self::Record(record) => {
                let malformed = |_| VaultError::Invalid("this cannot be the id of a record".to_owned());
                Scope::Record(RecordId::new(record.as_str()).map_err(malformed)?)
            }
            Self::Subject(subject) => {
                Scope::Subject { tenant: access.tenant().map(str::to_owned), subject: subject.clone() }
            }
            Self::Due => Scope::Retention(desk.vault().due(access, now, SWEEP).await?),
        })
    }
}

/// What erasing would do.
#[derive(Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PlanErasure {
    /// Whose records.
    #[serde(default)]
    pub tenant: Option<String>,
    /// What.
    pub target: Target,
    /// Of a person: whether to answer with what the records have in common, for a letter. It takes the role `read-metadata`.
    #[serde(default)]
    pub summary: bool,
}

/// What erasing would do. Nothing is changed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PlannedErasure {
    /// What would be erased.
    #[schema(value_type = Vec<String>)]
    pub records: Vec<RecordId>,
    /// What must stay.
    pub refusals: Vec<RefusedRecord>,
    /// Whether there is more, which another plan will have.
    pub more: bool,
    /// Of a person: by which names the records have it; none if the caller may not read them.
    pub people: Option<Vec<FoundPerson>>,
    /// What the records have in common.
    pub summary: Option<PersonSummary>,
}

/// A record that must stay.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RefusedRecord {
    /// Which.
    #[schema(value_type = String)]
    pub record: RecordId,
    /// The legal hold that it is under.
    pub hold: Option<String>,
    /// Until when there is a duty to keep it.
    pub until: Option<i64>,
    /// The class by which it is kept, if for how long is not known.
    pub class: Option<String>,
    /// In words.
    pub words: String,
}

impl From<&Refusal> for RefusedRecord {
    fn from(refusal: &Refusal) -> Self {
        let words = refusal.to_string();
        let none = Self { record: refusal.record.clone(), hold: None, until: None, class: None, words };
        match &refusal.why {
            Why::LegalHold(hold) => Self { hold: Some(hold.clone()), ..none },
            Why::Duty(until) => Self { until: Some(*until), ..none },
            Why::UnknownDuty(class) => Self { class: Some(class.clone()), ..none },
        }
    }
}

/// A name by which records have a person.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct FoundPerson {
    /// The name, as it stands there.
    pub name: String,
    /// How many records have it.
    pub records: u64,
}

impl Ask for PlanErasure {
    type Answer = PlannedErasure;
    const NAME: &'static str = "plan-erasure";
    const SUMMARY: &'static str = "Lists what an erasure would erase and what must stay. Nothing is changed";

    fn operation(&self) -> Operation {
        Operation::Erase
    }

    fn tenant(&self) -> Option<&str> {
        self.tenant.as_deref()
    }

    async fn answer(self, desk: &LocalDesk, access: &Access) -> Result<PlannedErasure, DeskError> {
        let (planned, plan) = plan(desk, access, &self.target).await?;
        let summary = match &self.target {
            Target::Subject(name) if self.summary => {
                Some(PersonSummary::gather(desk, access, &plan, name).await?)
            }
            _ => None,
        };
        Ok(PlannedErasure { summary, ..planned })
    }
}

async fn plan(
    desk: &LocalDesk,
    access: &Access,
    target: &Target,
) -> Result<(PlannedErasure, ErasurePlan), DeskError> {
    let now = now();
    let scope = target.scope(desk, access, now).await?;
    let plan = desk.vault().plan_erasure(access, &scope, now).await?;
    let mut people = None;
    if let Target::Subject(name) = target
        && access.roles().has(Role::ReadMetadata)
    {
        let kept = plan.refusals.iter().map(|refusal| refusal.record.clone());
        let records: Vec<RecordId> = plan.records.iter().cloned().chain(kept).collect();
        let found = people_named(desk.vault(), access, &records, name).await?;
        people = Some(found.into_iter().map(|(name, records)| FoundPerson { name, records }).collect());
    }
    let planned = PlannedErasure {
        records: plan.records.clone(),
        refusals: plan.refusals.iter().map(RefusedRecord::from).collect(),
        more: plan.more,
        people,
        summary: None,
    };
    Ok((planned, plan))
}

/// Erases.
#[derive(Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Erase {
    /// Whose records.
    #[serde(default)]
    pub tenant: Option<String>,
    /// What.
    pub target: Target,
    /// Why it is lawful, as a citation. The log records it, so it must not name a person.
    pub basis: String,
    /// Of a person: the names that were confirmed, as a plan found them. If the records have the person by another name meanwhile, nothing is
    /// erased. If it is left out, every person that is found is erased.
    #[serde(default)]
    pub confirmed: Option<Vec<String>>,
}

/// What an erasure did.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ErasedRecords {
    /// What was erased.
    #[schema(value_type = Vec<String>)]
    pub records: Vec<RecordId>,
    /// What must stay.
    pub refusals: Vec<RefusedRecord>,
    /// The records that say so.
    pub entries: Vec<ErasureEntry>,
    /// Objects with sealed content that the object store has not removed yet. Their keys are destroyed; the vault tries again until they are
    /// gone.
    #[serde(default)]
    pub objects_left: u64,
}

/// A record that says what was erased.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ErasureEntry {
    /// Its id.
    #[schema(value_type = String)]
    pub record: RecordId,
    /// Where the log has it, once it has.
    pub index: Option<u64>,
}

impl Ask for Erase {
    type Answer = ErasedRecords;
    const NAME: &'static str = "erase";
    const SUMMARY: &'static str = "Erases records as far as no hold and no duty forbids it, and puts on record what was erased and what was refused";

    fn operation(&self) -> Operation {
        Operation::Erase
    }

    fn tenant(&self) -> Option<&str> {
        self.tenant.as_deref()
    }

    async fn answer(self, desk: &LocalDesk, access: &Access) -> Result<ErasedRecords, DeskError> {
        let basis = bounds::reason(&self.basis)?;
        if self.confirmed.is_some() && matches!(self.target, Target::Subject(_)) {
            let (planned, _) = plan(desk, access, &self.target).await?;
            self.check_confirmed(&planned)?;
        }
        let custodian = desk.resumed(access).await?;
        let mut erased: Vec<Erased> = Vec::new();
        loop {
            let scope = self.target.scope(desk, access, now()).await?;
            let done = custodian.recorder().erase(access, &scope, basis).await?;
            let go_on = done.more || self.target == Target::Due && !done.records.is_empty();
            let is_over = !go_on || done.records.is_empty();
            erased.push(done);
            // Otherwise records that must stay would be found again without end.
            if is_over {
                break;
            }
        }
        desk.settle(&custodian).await?;
        let mut answer = ErasedRecords {
            records: erased.iter().flat_map(|erased| erased.records.clone()).collect(),
            refusals: erased.iter().flat_map(|erased| &erased.refusals).map(RefusedRecord::from).collect(),
            objects_left: erased.iter().map(|erased| erased.objects_left).sum(),
            ..ErasedRecords::default()
        };
        for id in erased.iter().filter_map(|erased| erased.entry.as_ref()) {
            let index = desk.vault().erasure_index(access, id).await?;
            answer.entries.push(ErasureEntry { record: id.clone(), index });
        }
        Ok(answer)
    }
}

impl Erase {
    /// Refuses if somebody else would be erased than was confirmed.
    fn check_confirmed(&self, planned: &PlannedErasure) -> Result<(), DeskError> {
        let Some(confirmed) = &self.confirmed else { return Ok(()) };
        let canonical = |name: &str| Facet::Initiator.canonical(name).into_owned();
        let confirmed: BTreeSet<String> = confirmed.iter().map(|name| canonical(name)).collect();
        let found = planned.people.iter().flatten().map(|person| canonical(&person.name));
        if planned.people.is_none() || !found.collect::<BTreeSet<_>>().is_subset(&confirmed) {
            return Err(DeskError::Invalid(
                "the name matches a person who was not confirmed, so nothing was erased: plan again"
                    .to_owned(),
            ));
        }
        Ok(())
    }
}

/// Which of some records are erased.
#[derive(Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CheckErased {
    /// Whose records.
    #[serde(default)]
    pub tenant: Option<String>,
    /// The records, a thousand at most.
    #[schema(value_type = Vec<String>)]
    pub records: Vec<RecordId>,
}

/// Those that are erased.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct CheckedErased {
    /// The records.
    #[schema(value_type = Vec<String>)]
    pub erased: Vec<RecordId>,
    /// Indexes of the entries in the log that say so.
    pub entries: BTreeSet<u64>,
}

impl Ask for CheckErased {
    type Answer = CheckedErased;
    const NAME: &'static str = "check-erased";
    const SUMMARY: &'static str = "Lists which of some records are erased, and the log's entries of that";

    fn operation(&self) -> Operation {
        Operation::Read
    }

    fn tenant(&self) -> Option<&str> {
        self.tenant.as_deref()
    }

    async fn answer(self, desk: &LocalDesk, access: &Access) -> Result<CheckedErased, DeskError> {
        let mut checked = CheckedErased::default();
        for id in bounds::records(&self.records)? {
            if let Some(erasure) = desk.vault().row(access, id).await?.erased {
                checked.erased.push(id.clone());
                checked.entries.extend(erasure.index.map(LeafIndex::get));
            }
        }
        Ok(checked)
    }
}

/// The time as vaults have it.
pub(crate) fn now() -> i64 {
    vouchlog::unix_millis().signed()
}
