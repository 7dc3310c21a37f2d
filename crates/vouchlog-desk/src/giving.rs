//! Giving evidence to others: fields of a record, and of a session. That they are given, by whom and why, is on record before.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use vouchlog::custody::{Custodian, Proofs};
use vouchlog_record::{DisclosureScope, Facet, RecordId};
use vouchlog_session::{BundleContents, SessionBundle};
use vouchlog_statement::Presentation;
use vouchlog_stream::StatementKind;
use vouchlog_vault::{Access, Operation, PresentationRequest, Query, Row};

use crate::ask::Ask;
use crate::bounds;
use crate::error::DeskError;
use crate::local::LocalDesk;

/// Where the proofs come from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ProofsFrom {
    /// The log, under the newest checkpoint that it publishes.
    #[default]
    Log,
    /// The vault: the receipts as they are.
    Vault,
}

/// Chosen fields of one record.
#[derive(Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Present {
    /// Whose it is.
    #[serde(default)]
    pub tenant: Option<String>,
    /// Its id.
    #[schema(value_type = String)]
    pub record: RecordId,
    /// The fields, as JSON pointers. It must have all of them.
    pub fields: Vec<String>,
    /// The reason, as the log records it.
    pub basis: String,
    /// Where the proofs come from.
    #[serde(default)]
    pub proofs: ProofsFrom,
    /// To whom they are given, as the log records it.
    #[serde(default)]
    pub recipient: Option<String>,
}

/// What a stranger checks offline.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Presented {
    /// The presentation file.
    #[schema(value_type = Object)]
    pub presentation: Presentation,
}

impl Ask for Present {
    type Answer = Presented;
    const NAME: &'static str = "present";
    const SUMMARY: &'static str =
        "Presents chosen fields of a record. The log records the disclosure before it is answered";

    fn operation(&self) -> Operation {
        Operation::Disclose
    }

    fn tenant(&self) -> Option<&str> {
        self.tenant.as_deref()
    }

    async fn answer(self, desk: &LocalDesk, access: &Access) -> Result<Presented, DeskError> {
        let row = desk.vault().row(access, &self.record).await?;
        let custodian = desk.custodian(access).await?;
        let request = PresentationRequest {
            rows: &[row],
            paths: bounds::fields(&self.fields)?,
            basis: bounds::reason(&self.basis)?,
            scope: DisclosureScope::Presented,
            recipient: bounds::recipient(self.recipient.as_deref())?,
        };
        let proofs = match self.proofs {
            ProofsFrom::Log => Proofs::Fetched,
            ProofsFrom::Vault => Proofs::Kept,
        };
        let mut made = custodian.present(access, request, proofs).await?;
        desk.settle(&custodian).await?;
        let presentation = made.pop();
        let presentation =
            presentation.ok_or_else(|| DeskError::Answer("no presentation was made".to_owned()))?;
        Ok(Presented { presentation })
    }
}

/// Chosen fields of all records of a session.
#[derive(Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct BundleSession {
    /// Whose it is.
    #[serde(default)]
    pub tenant: Option<String>,
    /// Its name.
    pub session: String,
    /// The fields, as JSON pointers: of each record, those that it has.
    pub fields: Vec<String>,
    /// The reason, as the log records it.
    pub basis: String,
    /// To whom they are given, as the log records it.
    #[serde(default)]
    pub recipient: Option<String>,
}

/// What a stranger checks offline.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct MadeBundle {
    /// The session bundle.
    #[schema(value_type = Object)]
    pub bundle: SessionBundle,
}

impl Ask for BundleSession {
    type Answer = MadeBundle;
    const NAME: &'static str = "bundle-session";
    const SUMMARY: &'static str =
        "Bundles chosen fields of a session's records. The log records the disclosure before it is answered";

    fn operation(&self) -> Operation {
        Operation::Disclose
    }

    fn tenant(&self) -> Option<&str> {
        self.tenant.as_deref()
    }

    async fn answer(self, desk: &LocalDesk, access: &Access) -> Result<MadeBundle, DeskError> {
        bounds::fields(&self.fields)?;
        bounds::reason(&self.basis)?;
        bounds::recipient(self.recipient.as_deref())?;
        let facets = vec![(Facet::Session, bounds::session(&self.session)?.to_owned())];
        let query = Query { facets, tenant: self.tenant.clone(), ..Query::default() };
        let (mut rows, most): (Vec<Row>, _) = (Vec::new(), desk.bundle_records());
        let mut pages = desk.vault().pages(access, query);
        while let Some(page) = pages.next().await? {
            rows.extend(page);
            if rows.len() > most {
                return Err(DeskError::Invalid(format!("a bundle has at most {most} records")));
            }
        }
        if rows.is_empty() {
            return Err(DeskError::UnknownSession(self.session));
        }
        let custodian = desk.custodian(access).await?;
        let contents = self.contents(desk, access, &custodian, &rows).await?;
        let bundle = SessionBundle::new(&contents).map_err(|error| DeskError::Invalid(error.to_string()))?;
        desk.settle(&custodian).await?;
        Ok(MadeBundle { bundle })
    }
}

impl BundleSession {
    /// Presentations of all there is of the session: its records, its seal, and the erasures that concern it.
    async fn contents(
        &self,
        desk: &LocalDesk,
        access: &Access,
        custodian: &Custodian,
        rows: &[Row],
    ) -> Result<BundleContents, DeskError> {
        let mut shown = Vec::new();
        let mut erasures: Vec<RecordId> = Vec::new();
        for row in rows {
            match &row.erased {
                None => shown.push(row.clone()),
                Some(erased) if !erasures.contains(&erased.record) => erasures.push(erased.record.clone()),
                Some(_) => {}
            }
        }
        let request = PresentationRequest {
            rows: &shown,
            paths: &self.fields,
            basis: &self.basis,
            scope: DisclosureScope::Bundle,
            recipient: self.recipient.as_deref(),
        };
        let presented = custodian.present(access, request, Proofs::Fetched).await?;
        let mut contents = BundleContents {
            session: self.session.clone(),
            disclosed: self.fields.clone(),
            known: rows.iter().filter(|row| row.kind != StatementKind::SessionSeal).count() as u64,
            ..BundleContents::default()
        };
        for (row, presentation) in shown.iter().zip(presented) {
            match row.kind {
                StatementKind::SessionSeal => contents.seal = Some(presentation),
                _ => contents.records.push(presentation),
            }
        }
        let mut lawful = Vec::new();
        for erasure in &erasures {
            lawful.push(desk.vault().row(access, erasure).await?);
        }
        if !lawful.is_empty() {
            let paths = ["/erasure".to_owned(), "/time".to_owned()];
            let request = PresentationRequest { rows: &lawful, paths: &paths, ..request };
            contents.erasures = custodian.present(access, request, Proofs::Fetched).await?;
        }
        Ok(contents)
    }
}
