//! Where a command takes what it asks of a vault: the vault in this process, with a way to the log if that goes on record, or a daemon.

use std::time::Duration;

use vouchlog_desk::{Ask, Desk, DeskError, LocalDesk, LogAddress, RemoteDesk};

use super::custody::{self, AGAIN, CustodyArgs, VaultArgs};
use super::spooling;
use crate::advice::Advice;
use crate::connections;

/// A desk, and how long a command waits for a log that is out of reach.
pub(super) struct OpenDesk {
    desk: Desk,
    wait: Duration,
}

impl OpenDesk {
    /// For what goes on no record.
    pub(super) async fn reading(vault: &VaultArgs) -> anyhow::Result<Self> {
        Self::open(vault, None).await
    }

    /// For managing a vault, which is made if it is not there.
    pub(super) async fn managing(vault: &VaultArgs) -> anyhow::Result<Self> {
        if vault.is_served() {
            return Self::reading(vault).await;
        }
        let (opened, access) = vault.open_or_create().await?;
        let desk = Desk::Here { desk: LocalDesk::reading(opened, None), access };
        Ok(Self { desk, wait: Duration::ZERO })
    }

    /// The same, with the log to renew receipts from, if it was named.
    pub(super) async fn reading_beside(vault: &VaultArgs, custody: &CustodyArgs) -> anyhow::Result<Self> {
        Self::open(vault, custody.log_address()).await
    }

    async fn open(vault: &VaultArgs, log: Option<LogAddress>) -> anyhow::Result<Self> {
        let wait = Duration::ZERO;
        if vault.is_served() {
            let token = vault.token()?;
            let daemon = RemoteDesk::connect(&vault.vault, token.as_ref(), &connections::security());
            return Ok(Self { desk: Desk::There(daemon.map_err(advise)?), wait });
        }
        let (opened, access) = vault.open().await?;
        Ok(Self { desk: Desk::Here { desk: LocalDesk::reading(opened, log), access }, wait })
    }

    /// For what goes on record. A daemon has its own way to the log.
    pub(super) async fn recording(vault: &VaultArgs, custody: &CustodyArgs) -> anyhow::Result<Self> {
        Self::reading(vault).await?.into_recording(vault, custody).await
    }

    /// The same vault, now with a way to the log.
    pub(super) async fn into_recording(
        self,
        vault: &VaultArgs,
        custody: &CustodyArgs,
    ) -> anyhow::Result<Self> {
        let wait = custody.wait;
        let desk = match self.desk {
            Desk::There(daemon) => Desk::There(daemon),
            Desk::Here { desk, access } => {
                let opened = desk.vault().clone();
                let custodian = custody.open(vault, opened.clone(), access.clone()).await?;
                let log = custody.log_address().ok_or_else(|| anyhow::anyhow!("--log and --log-vkey"))?;
                Desk::Here { desk: LocalDesk::recording(opened, log, custodian), access }
            }
        };
        Ok(Self { desk, wait })
    }

    /// The desk itself, for work of several asks.
    pub(super) fn desk(&self) -> &Desk {
        &self.desk
    }

    /// Has something done; gives up, and says what waits, when the log has been out of reach for too long.
    pub(super) async fn ask<A: Ask>(&self, ask: A) -> anyhow::Result<A::Answer> {
        self.patiently(self.desk.ask(ask)).await
    }

    /// The same for work of several asks.
    pub(super) async fn patiently<T>(
        &self,
        work: impl Future<Output = Result<T, DeskError>>,
    ) -> anyhow::Result<T> {
        let gateway = match &self.desk {
            Desk::Here { desk, .. } => desk.gateway(),
            Desk::There(_) => None,
        };
        let Some(gateway) = gateway else { return work.await.map_err(advise) };
        tokio::select! {
            done = work => done.map_err(advise),
            failed = spooling::lose_patience(gateway, self.wait, AGAIN) => Err(failed),
        }
    }

    /// Closes the vault and the gateway's spool.
    pub(super) async fn close(self) {
        self.desk.close().await;
    }
}

/// What to do about a refusal.
pub(super) fn advise(error: DeskError) -> anyhow::Error {
    match error {
        DeskError::Vault(error) => custody::advise_vault(error),
        DeskError::Custody(error) => custody::advise(error),
        DeskError::UnknownSession(session) => Advice::error(
            format!("the vault has no record of the session {session}"),
            "give the id as in correlation.session of the records, and --tenant if it is not the default tenant",
        ),
        DeskError::UnknownIdentity(_) => Advice::error(
            error.to_string(),
            "give the whole value, as `vouchlog vault identities` lists it, and --tenant if it is not the default tenant",
        ),
        DeskError::Refused(_) => Advice::error(
            error.to_string(),
            "check --vault-token and --tenant; what a principal may do is shown by `vouchlog vault principals` for an administrator",
        ),
        DeskError::Unreachable(_) => Advice::error(
            error.to_string(),
            "check that --vault is the URL that `vouchlog vault serve` prints, and --ca",
        ),
        error => anyhow::Error::new(error),
    }
}
