//! Receipts of a session's records: how far each proves that the log has the record. A receipt that is older than the cosignatures of
//! its checkpoint is renewed first, if the log was named.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::Context as _;
use vouchlog::custody::{CustodyError, Renewer};
use vouchlog::gateway::Connection;
use vouchlog::verify::{Claim, verify};
use vouchlog::{Policy, VerifyingKey};
use vouchlog_record::RecordId;
use vouchlog_session::ProofState;
use vouchlog_vault::{Access, ReadRecord, Row, Vault};

use crate::commands::custody;
use crate::connections;

/// How long a report waits for the log. It is made without it, from the receipts that there are.
const PATIENCE: Duration = Duration::from_secs(20);

/// What receipts are judged by.
pub(super) struct Judge<'a> {
    pub(super) vault: &'a Vault,
    pub(super) access: &'a Access,
    /// The log's key. Without it a receipt is taken for what it says.
    pub(super) log: Option<&'a VerifyingKey>,
    /// Where the log is, to renew receipts.
    pub(super) url: Option<&'a str>,
    pub(super) policy: Option<&'a Policy>,
}

/// How far records are proven, and what the reader must know of it.
#[derive(Default)]
pub(super) struct Judged {
    states: BTreeMap<RecordId, ProofState>,
    pub(super) notes: Vec<String>,
}

impl Judged {
    pub(super) fn state(&self, id: &RecordId) -> ProofState {
        self.states.get(id).cloned().unwrap_or(ProofState::Missing)
    }
}

impl Judge<'_> {
    /// Judges the receipts of records.
    pub(super) async fn judge(&self, records: &[ReadRecord]) -> anyhow::Result<Judged> {
        let mut judged = Judged::default();
        let mut short = Vec::new();
        for ReadRecord { row, .. } in records {
            let proof = self.vault.proof(self.access, &row.id).await.map_err(custody::advise_vault)?;
            let state = self.state(row, proof.as_deref())?;
            if state == ProofState::Signed && row.place.is_some() {
                short.push(row.clone());
            }
            judged.states.insert(row.id.clone(), state);
        }
        if short.is_empty() {
            return Ok(judged);
        }
        match (self.policy, self.log, self.url) {
            (None, ..) | (_, None, _) => judged.notes.push(
                "No policy was given, so no cosignature was checked and no record counts as witnessed (--policy).".to_owned(),
            ),
            (Some(_), Some(_), None) => judged.notes.push(
                "Receipts without a quorum of witnesses were not renewed, because the log was not named (--log).".to_owned(),
            ),
            (Some(policy), Some(log), Some(url)) => {
                if let Some(why) = self.renew(&short, &mut judged, (policy, log, url)).await? {
                    judged.notes.push(format!("Receipts without a quorum of witnesses were not renewed: {why}."));
                }
            }
        }
        Ok(judged)
    }

    /// Renews receipts that the policy is not content with. Returns why it could not.
    async fn renew(
        &self,
        rows: &[Row],
        judged: &mut Judged,
        (policy, log, url): (&Policy, &VerifyingKey, &str),
    ) -> anyhow::Result<Option<String>> {
        let connection = Connection { security: connections::security(), ..Connection::new(url) };
        let renewer = Renewer::connect(&connection, log.clone(), self.vault.clone(), self.access.clone())?;
        let renewing = async {
            if !renewer.is_worthwhile(Some(policy)).await? {
                return Ok(None);
            }
            renewer.renew(rows).await.map(Some)
        };
        let renewed = match tokio::time::timeout(PATIENCE, renewing).await {
            Err(_) => return Ok(Some(format!("the log did not respond within {} s", PATIENCE.as_secs()))),
            Ok(Err(error)) if is_contradiction(&error) => return Err(error.into()),
            Ok(Err(error)) => return Ok(Some(error.to_string())),
            Ok(Ok(None)) => {
                return Ok(Some(
                    "the newest checkpoint that the log publishes does not satisfy the policy".to_owned(),
                ));
            }
            Ok(Ok(Some(renewed))) => renewed,
        };
        for row in rows {
            if let Some(proof) = renewed.get(&row.id) {
                judged.states.insert(row.id.clone(), self.state(row, Some(proof))?);
            }
        }
        Ok(None)
    }

    /// How far it is proven that the log has the record.
    fn state(&self, row: &Row, proof: Option<&str>) -> anyhow::Result<ProofState> {
        let (Some(proof), Some(log)) = (proof, self.log) else {
            let waits = row.place.is_none() && proof.is_none();
            return Ok(if waits { ProofState::Waiting } else { ProofState::Signed });
        };
        let verified = verify(proof.as_bytes(), log, self.policy, Claim::Digest(row.digest));
        if let (Err(_), Some(_)) = (&verified, self.policy) {
            // A receipt may be older than its cosignatures; the log's signature still has to hold.
            verify(proof.as_bytes(), log, None, Claim::Digest(row.digest))
                .with_context(|| row.id.to_string())?;
            return Ok(ProofState::Signed);
        }
        let verified = verified.with_context(|| row.id.to_string())?;
        if self.policy.is_none() {
            return Ok(ProofState::Signed);
        }
        let name = |witness: &vouchlog_note::PolicyCosignature| {
            String::from_utf8_lossy(witness.name().as_bytes()).into_owned()
        };
        Ok(ProofState::Witnessed {
            by: verified.witnesses.iter().map(name).collect(),
            until: verified.witnessed.map(|witnessed| witnessed.until),
        })
    }
}

/// Whether the log contradicts what the receipts show. A report must not pass over that.
fn is_contradiction(error: &CustodyError) -> bool {
    match error {
        CustodyError::OtherEntry(_) => true,
        CustodyError::Verify(error) => error.is_finding(),
        _ => false,
    }
}
