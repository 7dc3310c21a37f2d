//! Receipts of a session's records: how far each proves that the log has the record. A receipt that is older than the cosignatures of
//! its checkpoint is renewed first, if the log was named.

use std::collections::BTreeMap;
use std::path::Path;

use vouchlog::{Policy, VerifyingKey};
use vouchlog_desk::{
    OpenedRecord, ReceiptError, ReceiptJudge, RecordRow, RenewReceipts, RenewedReceipts,
    limits::MAX_NAMED_RECORDS,
};
use vouchlog_note::limits::MAX_POLICY_BYTES;
use vouchlog_record::RecordId;
use vouchlog_session::ProofState;

use crate::commands::desk::{self, OpenDesk};
use crate::commands::read_file;

/// What receipts are judged by.
pub(super) struct Judge<'a> {
    pub(super) desk: &'a OpenDesk,
    pub(super) tenant: &'a str,
    /// The log's key. Without it a receipt is taken for what it says.
    pub(super) log: Option<&'a VerifyingKey>,
    /// Whether the desk knows where the log is, to renew receipts.
    pub(super) can_renew: bool,
    /// The policy, and its file.
    pub(super) policy: Option<(&'a Policy, &'a Path)>,
}

/// How far records are proven, and what the reader must know of it.
#[derive(Default)]
pub(super) struct Judged {
    pub(super) states: BTreeMap<RecordId, ProofState>,
    pub(super) notes: Vec<String>,
}

impl Judge<'_> {
    /// Judges the receipts of records.
    pub(super) async fn judge(&self, records: &[OpenedRecord]) -> anyhow::Result<Judged> {
        let mut judged = Judged::default();
        let mut short = Vec::new();
        for OpenedRecord { row, proof, .. } in records {
            let state = self.state(row, proof.as_deref())?;
            if state == ProofState::Signed && row.place.is_some() {
                short.push(row);
            }
            judged.states.insert(row.id.clone(), state);
        }
        if short.is_empty() {
            return Ok(judged);
        }
        match (self.policy, self.log, self.can_renew) {
            (None, ..) | (_, None, _) => judged.notes.push(
                "No policy was given, so no cosignature was checked and no record counts as witnessed (--policy).".to_owned(),
            ),
            (Some(_), Some(_), false) => judged.notes.push(
                "Receipts without a quorum of witnesses were not renewed, because the log was not named (--log).".to_owned(),
            ),
            (Some((_, policy)), Some(_), true) => {
                if let Some(why) = self.renew(&short, policy, &mut judged).await? {
                    judged.notes.push(format!("Receipts without a quorum of witnesses were not renewed: {why}."));
                }
            }
        }
        Ok(judged)
    }

    /// Renews receipts that the policy is not content with. Returns why it could not.
    async fn renew(
        &self,
        rows: &[&RecordRow],
        policy: &Path,
        judged: &mut Judged,
    ) -> anyhow::Result<Option<String>> {
        let policy = String::from_utf8(read_file(policy, MAX_POLICY_BYTES)?)?;
        for rows in rows.chunks(MAX_NAMED_RECORDS) {
            let ask = RenewReceipts {
                tenant: Some(self.tenant.to_owned()),
                records: rows.iter().map(|row| row.id.clone()).collect(),
                policy: policy.clone(),
            };
            let RenewedReceipts { proofs, why_not } = self.desk.ask(ask).await?;
            if why_not.is_some() {
                return Ok(why_not);
            }
            for row in rows {
                if let Some(proof) = proofs.get(row.id.as_str()) {
                    judged.states.insert(row.id.clone(), self.state(row, Some(proof))?);
                }
            }
        }
        Ok(None)
    }

    /// How far it is proven that the log has the record.
    fn state(&self, row: &RecordRow, proof: Option<&str>) -> anyhow::Result<ProofState> {
        let judge = ReceiptJudge { log: self.log, policy: self.policy.map(|(policy, _)| policy) };
        judge.state(row, proof).map_err(|error| match error {
            ReceiptError::Row(error) => desk::advise(error),
            ReceiptError::Proof(error) => anyhow::Error::new(error).context(row.id.to_string()),
        })
    }
}
