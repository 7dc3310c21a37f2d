//! The collector's way to its vault, which may be away when the collector starts.

use std::path::PathBuf;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use tokio::task::{JoinError, JoinHandle};
use vouchlog::custody::{Custodian, CustodyConfig, Renewer};
use vouchlog::keys::KeySource;
use vouchlog::{AckLevel, VerifyingKey};
use vouchlog_client::Options;
use vouchlog_collector::{Collector, Destination};
use vouchlog_vault::{Access, Vault, VaultError};

use super::secrets;
use crate::advice::Advice;
use crate::commands::custody::{self, VaultArgs};
use crate::connections;

/// How long the first attempt may keep the collector from taking telemetry in. A vault that can be opened is, within milliseconds.
const FIRST_ATTEMPT: Duration = Duration::from_secs(5);
/// Waits between attempts.
const FIRST_PAUSE: Duration = Duration::from_millis(250);
const MAX_PAUSE: Duration = Duration::from_secs(10);
/// Bytes of records that a check of the vault reads a second: a sixth of a slow disk. A terabyte takes nine hours.
const CHECK_RATE: u64 = 32 * 1024 * 1024;
/// Time between two checks.
const CHECK_PAUSE: Duration = Duration::from_secs(24 * 60 * 60);
/// Findings of a check that are traced one by one.
const SHOWN_DAMAGE: usize = 10;

/// What a custodian is opened with.
#[derive(Clone)]
pub(super) struct Opening {
    pub(super) vault: VaultArgs,
    pub(super) gateway_key: Option<KeySource>,
    pub(super) data: PathBuf,
    /// Where the log is, and its key.
    pub(super) url: String,
    pub(super) log: VerifyingKey,
    /// Bytes of the disk that spool and vault leave free.
    pub(super) min_free: u64,
    /// When the log acknowledges.
    pub(super) wait_for: AckLevel,
}

type Opened = anyhow::Result<(Custodian, Access)>;

impl Opening {
    async fn open(self) -> Opened {
        self.check_vault()?;
        let (vault, access) = self.vault.open_or_create().await?;
        vault.keep_free(self.min_free);
        let config = CustodyConfig {
            url: self.url,
            security: connections::security(),
            log: self.log,
            gateway: secrets::gateway_key(self.gateway_key.as_ref(), &self.data)?,
            state: self.data.join("spool"),
            tenant: self.vault.tenant,
            options: Options { min_free: self.min_free, wait_for: self.wait_for, ..Options::default() },
        };
        let custodian = Custodian::open(vault, access.clone(), config).await.map_err(custody::advise)?;
        Ok((custodian, access))
    }

    /// The spool is made after the vault. Where there is one there was a vault, and a new one would hide that its records are gone.
    fn check_vault(&self) -> anyhow::Result<()> {
        let Some(file) = self.vault.directory().map(|dir| dir.join("vault.db")) else { return Ok(()) };
        let has_begun = self.data.join("spool/FORMAT").try_exists()?;
        if has_begun && !file.try_exists()? {
            return Err(Advice::error(
                format!("{} is missing: it holds this collector's records", file.display()),
                "restore it from a backup; to start with an empty vault, move spool/ and the vault's folder away",
            ));
        }
        Ok(())
    }

    /// Tries for a few seconds. A mistake in the vault's address is reported at once; an unreachable database is not waited for.
    pub(super) async fn begin(self) -> anyhow::Result<Attempt> {
        let is_server = self.vault.directory().is_none();
        let mut task = tokio::spawn(self.clone().open());
        match tokio::time::timeout(FIRST_ATTEMPT, &mut task).await {
            Ok(opened) => match joined(opened) {
                Err(error) if is_server && is_away(&error) => Ok(Attempt::Failed(self, error)),
                opened => Ok(Attempt::Done(Box::new(opened?))),
            },
            Err(_) => Ok(Attempt::UnderWay(self, task)),
        }
    }
}

/// What the first attempt came to.
pub(super) enum Attempt {
    Done(Box<(Custodian, Access)>),
    UnderWay(Opening, JoinHandle<Opened>),
    Failed(Opening, anyhow::Error),
}

/// The custodian, once there is one.
#[derive(Clone, Default)]
pub(super) struct Custody(Arc<OnceLock<Custodian>>);

impl Custody {
    /// Gives the collector its destination: now, or whenever the vault can be opened. From then on the task looks after the vault.
    pub(super) fn connect(&self, attempt: Attempt, collector: &Collector) -> JoinHandle<()> {
        let (custody, collector) = (self.clone(), collector.clone());
        match attempt {
            Attempt::Done(opened) => tokio::spawn(care(custody.connected(*opened, &collector))),
            Attempt::UnderWay(opening, task) => tokio::spawn(async move {
                collector.waits_because("the vault does not respond; retrying");
                let opened = joined(task.await);
                custody.keep_trying(opening, opened, collector).await;
            }),
            Attempt::Failed(opening, error) => tokio::spawn(async move {
                custody.keep_trying(opening, Err(error), collector).await;
            }),
        }
    }

    async fn keep_trying(self, opening: Opening, mut opened: Opened, collector: Collector) {
        let (mut pause, mut known) = (FIRST_PAUSE, String::new());
        loop {
            let trouble = match opened {
                Ok(opened) => {
                    tracing::info!("the vault is open: recording what is pending in the journal");
                    return care(self.connected(opened, &collector)).await;
                }
                Err(error) => format!("the vault cannot be opened: {error:#}"),
            };
            if trouble != known {
                tracing::error!("{trouble}; telemetry is kept in the journal, retrying");
                collector.waits_because(&trouble);
                known = trouble;
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(MAX_PAUSE);
            opened = joined(tokio::spawn(opening.clone().open()).await);
        }
    }

    fn connected(&self, (custodian, access): (Custodian, Access), collector: &Collector) -> (Vault, Renewer) {
        let recorder = custodian.recorder().clone();
        let kept = (recorder.vault().clone(), custodian.renewer());
        // One task connects, once.
        let _ = self.0.set(custodian);
        collector.record_to(Destination { recorder, access });
        kept
    }

    pub(super) fn get(&self) -> Option<&Custodian> {
        self.0.get()
    }

    /// Waits until the gateway can write no more. Never, before there is one.
    pub(super) async fn poisoned(self) -> String {
        loop {
            if let Some(custodian) = self.0.get() {
                return custodian.gateway().poisoned().await;
            }
            tokio::time::sleep(FIRST_PAUSE).await;
        }
    }

    /// Releases the spool, unless another part still holds the custodian.
    pub(super) async fn stop(self) {
        if let Some(custodian) = Arc::into_inner(self.0).and_then(OnceLock::into_inner) {
            custodian.stop().await;
        }
    }
}

/// Looks after what the vault has: checks it, and renews receipts once witnesses have cosigned.
async fn care((vault, renewer): (Vault, Renewer)) {
    tokio::join!(check_daily(vault), renewer.run());
}

/// Reads the whole vault for damage, at once and once a day. Damage stops recording, and `/readyz` reports it.
async fn check_daily(vault: Vault) {
    loop {
        match vault.check(Some(CHECK_RATE), |_| {}).await {
            Ok(damage) if damage.is_empty() => tracing::debug!("the vault was checked and is intact"),
            Ok(damage) => {
                for finding in damage.iter().take(SHOWN_DAMAGE) {
                    tracing::error!(vault = vault.location(), "the vault is damaged: {finding}");
                }
                return;
            }
            Err(error) => tracing::warn!(%error, "the vault could not be checked"),
        }
        tokio::time::sleep(CHECK_PAUSE).await;
    }
}

fn joined(opened: Result<Opened, JoinError>) -> Opened {
    opened.unwrap_or_else(|_| Err(anyhow::anyhow!("opening the vault failed")))
}

/// Whether the vault's server is away; anything else is a mistake that waiting does not mend.
fn is_away(error: &anyhow::Error) -> bool {
    matches!(
        error.downcast_ref(),
        Some(VaultError::Unreachable(_) | VaultError::Objects(_) | VaultError::Busy)
    )
}
