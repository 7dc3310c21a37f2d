//! Legal holds. Placing and lifting one goes on record after it is done.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use vouchlog_record::RecordId;
use vouchlog_vault::{Access, HoldTarget, Operation, Query};

use crate::ask::Ask;
use crate::bounds;
use crate::error::DeskError;
use crate::local::LocalDesk;
use crate::row::FacetValue;

/// Places a hold, or puts more records under it.
#[derive(Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PlaceHold {
    /// Whose records.
    #[serde(default)]
    pub tenant: Option<String>,
    /// The hold's name: the case.
    pub name: String,
    /// Why, as the log records it.
    pub reason: String,
    /// These records. Either these or facets are given.
    #[serde(default)]
    #[schema(value_type = Vec<String>)]
    pub records: Vec<RecordId>,
    /// The records that match all of these, and those that are kept later and match as well.
    #[serde(default)]
    pub facets: Vec<FacetValue>,
}

/// What came under a hold.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct HeldRecords {
    /// How many records came under it now.
    pub records: u64,
}

impl Ask for PlaceHold {
    type Answer = HeldRecords;
    const NAME: &'static str = "place-hold";
    const SUMMARY: &'static str = "Places a legal hold, or puts more records under it; the log records it";

    fn operation(&self) -> Operation {
        Operation::Hold
    }

    fn tenant(&self) -> Option<&str> {
        self.tenant.as_deref()
    }

    async fn answer(self, desk: &LocalDesk, access: &Access) -> Result<HeldRecords, DeskError> {
        let target = match (self.records.is_empty(), self.facets.is_empty()) {
            (false, true) => HoldTarget::Records(bounds::records(&self.records)?.to_vec()),
            (true, false) => {
                let facets = bounds::facets(self.facets)?;
                HoldTarget::Matching(Query { facets, tenant: self.tenant, ..Query::default() })
            }
            _ => return Err(DeskError::Invalid("give the records to hold, or facets of them".to_owned())),
        };
        let custodian = desk.resumed(access).await?;
        let records = custodian.recorder().hold(access, &self.name, &self.reason, &target).await?;
        desk.settle(&custodian).await?;
        Ok(HeldRecords { records })
    }
}

/// Lifts a hold.
#[derive(Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct LiftHold {
    /// The only tenant whose records it covers; without it, it may cover those of all that the caller has access to.
    #[serde(default)]
    pub tenant: Option<String>,
    /// The hold's name.
    pub name: String,
    /// Why, as the log records it.
    pub reason: String,
}

/// That a hold was lifted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Lifted {
    /// The hold's name.
    pub lifted: String,
}

impl Ask for LiftHold {
    type Answer = Lifted;
    const NAME: &'static str = "lift-hold";
    const SUMMARY: &'static str = "Lifts a legal hold; the log records it";

    fn operation(&self) -> Operation {
        Operation::Hold
    }

    fn tenant(&self) -> Option<&str> {
        self.tenant.as_deref()
    }

    async fn answer(self, desk: &LocalDesk, access: &Access) -> Result<Lifted, DeskError> {
        let custodian = desk.resumed(access).await?;
        custodian.recorder().release(access, &self.name, &self.reason).await?;
        desk.settle(&custodian).await?;
        Ok(Lifted { lifted: self.name })
    }
}

/// The holds in force.
#[derive(Clone, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ListHolds {
    /// Those that cover records of this tenant; without it, of any that the caller has access to.
    #[serde(default)]
    pub tenant: Option<String>,
}

/// The holds in force, by name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct HoldRows {
    /// The holds.
    pub holds: Vec<HoldRow>,
}

/// A hold.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct HoldRow {
    /// Its name.
    pub name: String,
    /// When it was first placed, in milliseconds since 1970-01-01 UTC.
    pub placed_at: i64,
    /// By whom.
    pub placed_by: String,
    /// Records under it.
    pub records: u64,
}

impl Ask for ListHolds {
    type Answer = HoldRows;
    const NAME: &'static str = "list-holds";
    const SUMMARY: &'static str = "Lists the legal holds in force";

    fn operation(&self) -> Operation {
        Operation::Read
    }

    fn tenant(&self) -> Option<&str> {
        self.tenant.as_deref()
    }

    async fn answer(self, desk: &LocalDesk, access: &Access) -> Result<HoldRows, DeskError> {
        let holds = desk.vault().holds(access).await?;
        let row = |hold: vouchlog_vault::Hold| HoldRow {
            name: hold.name,
            placed_at: hold.placed_at,
            placed_by: hold.placed_by,
            records: hold.records,
        };
        Ok(HoldRows { holds: holds.into_iter().map(row).collect() })
    }
}
