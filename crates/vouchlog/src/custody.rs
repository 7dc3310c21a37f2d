//! A vault with the way to its log: what the commands that record, disclose and erase share, and an embedding program too.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use thiserror::Error;
use tokio::runtime::Handle;
use vouchlog_api::{AnySubmitter, Appender};
use vouchlog_client::{
    ConnectionSecurity, Gateway, GatewayConfig, GatewayError, GrpcLog, LoggedStatements, Options,
    ReceiptSink, VerifyError,
};
use vouchlog_merkle::{LeafIndex, TreeSize};
use vouchlog_note::{Checkpoint, ProofFile, ProofFileError, SigningKey, VerifyingKey};
use vouchlog_record::RecordId;
use vouchlog_statement::{Presentation, ShownStatus, StreamIdentity};
use vouchlog_stream::limits::MAX_OPERATOR_CHANGES;
use vouchlog_stream::{LogPlace, StreamId};
use vouchlog_vault::{
    Access, Logged, PresentationRequest, Recorder, RecorderConfig, RecordingError, Row, StreamProofs, Vault,
    VaultError,
};

use crate::clock::{random_bytes, unix_millis};
use crate::{gateway, verify};

mod renewal;

pub use renewal::Renewer;
use renewal::{Uncosigned, Waiting};

/// How to reach the log that takes a vault's digests, and who signs for them.
#[derive(Debug)]
pub struct CustodyConfig {
    /// Where the log is.
    pub url: String,
    /// Which authorities to trust, what to present, and when plain text is allowed.
    pub security: ConnectionSecurity,
    /// Its key; its name is the log's.
    pub log: VerifyingKey,
    /// The gateway's enrolled key.
    pub gateway: SigningKey,
    /// Where the gateway's spool is. Each process needs its own.
    pub state: PathBuf,
    /// Whose records they are.
    pub tenant: String,
    /// Behaviour of the gateway.
    pub options: Options,
}

/// Why a custodian cannot go on.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum CustodyError {
    /// The gateway stopped, or did not start.
    #[error(transparent)]
    Gateway(#[from] GatewayError),
    /// The record was not recorded or read.
    #[error(transparent)]
    Recording(#[from] RecordingError),
    /// The vault refuses.
    #[error(transparent)]
    Vault(#[from] VaultError),
    /// The log cannot be reached, or refuses.
    #[error("the log: {0}")]
    Log(#[from] vouchlog_api::Error),
    /// The log's proof does not hold.
    #[error(transparent)]
    Verify(#[from] VerifyError),
    /// A proof file cannot be read or written.
    #[error("a proof file: {0}")]
    ProofFile(#[from] ProofFileError),
    /// The record was never logged.
    #[error("record {0} is not in the log yet: send pending records, then retry")]
    NotLogged(RecordId),
    /// The log's key is no log's.
    #[error("the log's key: {0}")]
    LogKey(vouchlog_note::CheckpointError),
    /// Cosignatures were asked for, and the log publishes checkpoints without any.
    #[error("the log has no witnesses: it publishes checkpoints that it alone signed")]
    NoWitnesses,
    /// Where the log took a record's statement, it now shows something else. The receipt that the vault has proves the statement.
    #[error("entry {0} of the log is not the statement that a receipt in the vault proves to be there")]
    OtherEntry(LeafIndex),
}

/// Where the proofs of a presentation come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Proofs {
    /// From the log, under the newest checkpoint that it publishes, with the cosignatures of its witnesses.
    Fetched,
    /// From the vault: the receipts as the log gave them.
    Kept,
}

/// A vault, its recorder, the gateway behind it and the log.
#[derive(Debug)]
pub struct Custodian {
    recorder: Recorder,
    gateway: Arc<Gateway>,
    log: GrpcLog,
    renewer: Renewer,
    access: Access,
    issuer: String,
}

impl Custodian {
    /// Opens the gateway's spool, and a recorder on the vault. What an earlier process left in the spool is sent; call
    /// [`Recorder::resume`] for what it left in the vault.
    ///
    /// `access` is who records: it needs the role `submit`.
    pub async fn open(vault: Vault, access: Access, config: CustodyConfig) -> Result<Self, CustodyError> {
        let CustodyConfig { url, security, log: log_key, gateway: gateway_key, state, tenant, options } =
            config;
        let issuer = gateway_key.verifying_key().name().to_string();
        let mut gateway = GatewayConfig {
            options,
            ..gateway::config(&url, log_key, gateway_key, state).map_err(CustodyError::LogKey)?
        };
        gateway.log.security = security;
        let log = GrpcLog::connect(&gateway.log)?;
        let renewer = Renewer::connect(&gateway.log, gateway.log_key.clone(), vault.clone(), access.clone())?;
        let receipts = Receipts {
            vault: vault.clone(),
            access: access.clone(),
            runtime: Handle::current(),
            waiting: renewer.waiting.clone(),
        };
        gateway.sink = Some(Box::new(receipts));
        let gateway = Arc::new(Gateway::open(gateway).await?);
        let recorder = recorder(vault, &access, &gateway, (issuer.as_str(), tenant.as_str())).await?;
        Ok(Self { recorder, gateway, log, renewer, access, issuer })
    }

    /// The same for records of one tenant, with the same gateway and log: what is done for the tenant is recorded among its own records,
    /// and nothing of others is touched. Stop this one first.
    pub async fn of_tenant(&self, tenant: &str) -> Result<Self, CustodyError> {
        let access = self.access.of_tenant(tenant)?;
        let vault = self.recorder.vault().clone();
        let recorder = recorder(vault, &access, &self.gateway, (self.issuer.as_str(), tenant)).await?;
        let (gateway, log, renewer) = (self.gateway.clone(), self.log.clone(), self.renewer.clone());
        Ok(Self { recorder, gateway, log, renewer, access, issuer: self.issuer.clone() })
    }

    /// What renews the receipts of records once witnesses have cosigned. A long-running program spawns [`Renewer::run`].
    pub fn renewer(&self) -> Renewer {
        self.renewer.clone()
    }

    /// Records, reads content and erases.
    pub fn recorder(&self) -> &Recorder {
        &self.recorder
    }

    /// The gateway, for its status.
    pub fn gateway(&self) -> &Gateway {
        &self.gateway
    }

    /// What a stranger needs to check chosen fields of records offline, one presentation each: an SD-JWT with the fields, the proof
    /// that it was logged, and whose stream it is. That they are given away goes on record before they are; see
    /// [`Recorder::present`].
    pub async fn present(
        &self,
        access: &Access,
        request: PresentationRequest<'_>,
        proofs: Proofs,
    ) -> Result<Vec<Presentation>, CustodyError> {
        let rows = request.rows;
        let mut proven = Vec::with_capacity(rows.len());
        let mut streams = BTreeMap::new();
        for row in rows {
            let place = row.place.ok_or_else(|| CustodyError::NotLogged(row.id.clone()))?;
            if proofs == Proofs::Fetched {
                self.refresh(row, place).await?;
            }
            let proof = self.recorder.vault().proof(access, &row.id).await?;
            let proof = proof.ok_or_else(|| CustodyError::NotLogged(row.id.clone()))?;
            for stream in [place.stream, row.stream] {
                if let Entry::Vacant(unknown) = streams.entry(stream) {
                    unknown.insert(self.stream_proofs(access, stream, proofs).await?);
                }
            }
            proven.push((place.stream, row.stream, ProofFile::parse(proof.as_bytes())?));
        }
        let sd_jwts = self.recorder.present(access, request).await?;
        let mut presentations = Vec::with_capacity(rows.len());
        for ((logged_in, signed_for, proof), sd_jwt) in proven.into_iter().zip(sd_jwts) {
            let StreamOwner { identity, genesis } = streams[&logged_in].clone();
            let signer = (signed_for != logged_in).then(|| streams[&signed_for].clone());
            // Of two that were kept at different times, the later one has every change of the operator's key. It need not be the longer
            // text: cosignatures differ.
            let files = |genesis: &str| genesis.matches(ProofFile::HEADER).count();
            let genesis = match &signer {
                Some(signer) if files(&signer.genesis) > files(&genesis) => signer.genesis.clone(),
                _ => genesis,
            };
            let signed_by = signer.map(|signer| signer.identity);
            presentations.push(Presentation::from_texts(
                self.renewer.origin.to_string(),
                sd_jwt,
                proof.to_text(),
                genesis,
                identity,
                signed_by,
            ));
        }
        Ok(presentations)
    }

    /// Replaces a record's proof by one under the newest published checkpoint, if that has the record.
    async fn refresh(&self, row: &Row, place: LogPlace) -> Result<(), CustodyError> {
        let receipt = self.renewer.receipt(Uncosigned { digest: row.digest, place }).await?;
        // Under the custodian's own access: who discloses need not be one who records.
        self.recorder.vault().logged(&self.access, vec![receipt]).await?;
        Ok(())
    }

    /// Proofs of who a stream belongs to; from the vault, or from the log the first time.
    async fn stream_proofs(
        &self,
        access: &Access,
        stream: StreamId,
        proofs: Proofs,
    ) -> Result<StreamOwner, CustodyError> {
        if proofs == Proofs::Kept
            && let Some(StreamProofs { opening, enrolment: Some(enrolment), genesis: Some(genesis), .. }) =
                self.recorder.vault().stream_proofs(access, stream).await?
        {
            // The log is not asked, so the presentation carries no status of the key.
            return Ok(StreamOwner {
                identity: StreamIdentity { enrolment, opening, status: None },
                genesis,
            });
        }
        let (opening, size) = self.proven_under(stream.index()).await?;
        // Asked after that checkpoint was read: what the log answers covers at least so much of it.
        let info = self.log.stream(stream).await?;
        let revocation = match info.revoked {
            Some(index) => Some(self.proven(index).await?),
            None => None,
        };
        let enrolment = self.proven(info.enrolled).await?;
        let mut genesis = self.proven(LeafIndex::new(0)).await?;
        for change in info.operator_changes.into_iter().take(MAX_OPERATOR_CHANGES) {
            genesis.push_str(&self.proven(change).await?);
        }
        let kept = StreamProofs {
            stream,
            gateway: info.gateway,
            opening: opening.clone(),
            enrolment: Some(enrolment.clone()),
            genesis: Some(genesis.clone()),
        };
        self.recorder.vault().keep_stream_proofs(&self.access, kept).await?;
        let status = Some(ShownStatus { as_of: size.get(), revocation });
        Ok(StreamOwner { identity: StreamIdentity { enrolment, opening, status }, genesis })
    }

    /// Fetches and keeps the proofs of the stream that is written to at present, so that presentations can be made while the log
    /// is away. For after a flush: the log has to have published the stream's opening.
    pub async fn keep_stream_proofs(&self) -> Result<(), CustodyError> {
        if let Some(stream) = self.gateway.status().stream {
            self.stream_proofs(&self.access, stream, Proofs::Kept).await?;
        }
        Ok(())
    }

    /// The verified proof file of an entry, with the entry in it.
    async fn proven(&self, index: LeafIndex) -> Result<String, CustodyError> {
        Ok(self.proven_under(index).await?.0)
    }

    /// The same, and the size of the log it is proven in.
    async fn proven_under(&self, index: LeafIndex) -> Result<(String, TreeSize), CustodyError> {
        let (entry, proof) = self.renewer.log.entry(index).await?;
        let checkpoint = Checkpoint::parse(proof.note().unverified_text()).map_err(CustodyError::LogKey)?;
        Ok((verify::with_entry(&proof, &entry)?.to_text(), checkpoint.head().size))
    }

    /// Lets go of the spool; what is in it is sent by the next process.
    pub async fn stop(self) {
        let Self { recorder, gateway, .. } = self;
        drop(recorder);
        if let Some(gateway) = Arc::into_inner(gateway) {
            gateway.stop().await;
        }
    }
}

/// A recorder that submits through a gateway.
async fn recorder(
    vault: Vault,
    access: &Access,
    gateway: &Arc<Gateway>,
    (issuer, tenant): (&str, &str),
) -> Result<Recorder, RecordingError> {
    let (issuer, tenant) = (issuer.to_owned(), tenant.to_owned());
    let config = RecorderConfig { tenant, issuer, clock: now, randomness: random_id };
    Recorder::open(vault, access.clone(), AnySubmitter::new(gateway.clone()), config).await
}

/// Whose a stream is, as proof files.
#[derive(Clone, Debug)]
struct StreamOwner {
    identity: StreamIdentity,
    /// Also the changes of the operator's key, as far as they were known.
    genesis: String,
}

/// The time as records have it.
fn now() -> jiff::Timestamp {
    jiff::Timestamp::from_millisecond(unix_millis().signed()).unwrap_or(jiff::Timestamp::MAX)
}

fn random_id() -> [u8; 16] {
    let mut id = [0; 16];
    id.copy_from_slice(&random_bytes()[..16]);
    id
}

/// Keeps receipts in the vault before the spool forgets what they are for. Called on the spool's own thread.
struct Receipts {
    vault: Vault,
    access: Access,
    runtime: Handle,
    /// Those of them that have no cosignature yet.
    waiting: Waiting,
}

impl ReceiptSink for Receipts {
    fn keep(&mut self, taken: &LoggedStatements) -> io::Result<()> {
        let logged = logged(taken).map_err(io::Error::other)?;
        let uncosigned: Vec<Uncosigned> = if taken.checkpoint().is_cosigned() {
            Vec::new()
        } else {
            logged.iter().map(Uncosigned::of).collect()
        };
        let noted =
            self.runtime.block_on(self.vault.logged(&self.access, logged)).map_err(io::Error::other)?;
        self.waiting.add(uncosigned);
        for (digest, index) in noted.elsewhere {
            tracing::warn!(%digest, %index, "a statement was logged twice: the vault keeps its first place");
        }
        Ok(())
    }
}

fn logged(taken: &LoggedStatements) -> Result<Vec<Logged>, Box<dyn std::error::Error + Send + Sync>> {
    let statements = taken.statements();
    let files = taken.proof_files(0..statements.len())?;
    let entries = taken.receipt().entries(statements)?;
    files
        .iter()
        .zip(entries)
        .map(|(file, entry)| {
            let proof = verify::with_entry(file, &entry.to_bytes())?.to_text();
            Ok(Logged {
                digest: entry.statement.digest,
                index: file.index(),
                stream: entry.stream,
                sequence: entry.sequence,
                logged_at: entry.logged_at,
                proof,
            })
        })
        .collect()
}
