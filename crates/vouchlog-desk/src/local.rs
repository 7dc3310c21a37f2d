//! The vault of this process: what carries asks out, and the way to the log that they go on record in.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use vouchlog::custody::{Custodian, CustodyError, Renewer};
use vouchlog::gateway::Connection;
use vouchlog::{ConnectionSecurity, VerifyingKey};
use vouchlog_session::limits::MAX_BUNDLE_RECORDS;
use vouchlog_vault::{Access, Facet, Vault};

use crate::bounds;
use crate::error::DeskError;
use crate::limits::{LOG_PATIENCE, MAX_TENANTS, SERVED_BUNDLE_RECORDS};
use crate::row::FacetValue;

/// Where the log is, and its key.
#[derive(Clone, Debug)]
pub struct LogAddress {
    /// Its URL.
    pub url: String,
    /// Its key.
    pub key: VerifyingKey,
    /// How it is connected to.
    pub security: ConnectionSecurity,
}

/// A vault that is open in this process.
#[derive(Debug)]
pub struct LocalDesk {
    vault: Vault,
    log: Option<LogAddress>,
    way: Way,
    settling: Settling,
}

/// The way to the log.
#[derive(Debug)]
enum Way {
    /// There is none: only what goes on no record can be done.
    None,
    /// One for all tenants: what is done is recorded for the tenant that it was opened for.
    One(Arc<Custodian>),
    /// One for each tenant, opened when it is first needed. All share a gateway.
    ForTenants { base: Arc<Custodian>, opened: tokio::sync::Mutex<BTreeMap<String, Arc<Custodian>>> },
}

/// How long is waited for the log after something was recorded.
#[derive(Clone, Copy, Debug)]
enum Settling {
    /// Until it has it: whoever waits has a patience of its own.
    UntilLogged,
    /// A while. It is durable here, and sent later.
    AtMost(Duration),
}

impl LocalDesk {
    /// A vault without a way to the log. With the log's address it renews receipts.
    pub fn reading(vault: Vault, log: Option<LogAddress>) -> Self {
        Self { vault, log, way: Way::None, settling: Settling::UntilLogged }
    }

    /// A vault of a command: what it does is in the log when it is done.
    pub fn recording(vault: Vault, log: LogAddress, custodian: Custodian) -> Self {
        let way = Way::One(Arc::new(custodian));
        Self { vault, log: Some(log), way, settling: Settling::UntilLogged }
    }

    /// A vault of a daemon, for callers of any tenant. What it does is durable when it is done, and on its way to the log.
    pub fn serving(vault: Vault, log: LogAddress, custodian: Custodian) -> Self {
        let way = Way::ForTenants { base: Arc::new(custodian), opened: tokio::sync::Mutex::default() };
        Self { vault, log: Some(log), way, settling: Settling::AtMost(LOG_PATIENCE) }
    }

    /// The vault.
    pub fn vault(&self) -> &Vault {
        &self.vault
    }

    /// Facets as they are searched for. What looks like a secret is in the records under its stand-in.
    pub(crate) async fn facets(
        &self,
        access: &Access,
        given: Vec<FacetValue>,
    ) -> Result<Vec<(Facet, String)>, DeskError> {
        let mut facets = bounds::facets(given)?;
        let key = match access.tenant() {
            Some(tenant) => self.vault.redaction_key(access, tenant).await?,
            None => None,
        };
        for (_, value) in &mut facets {
            if let Some(key) = &key {
                *value = key.redacted(value);
            }
        }
        Ok(facets)
    }

    /// What is recorded by, if there is a way to the log.
    pub fn gateway(&self) -> Option<&vouchlog::gateway::Gateway> {
        match &self.way {
            Way::None => None,
            Way::One(custodian) | Way::ForTenants { base: custodian, .. } => Some(custodian.gateway()),
        }
    }

    /// The way to the log for what is done under this access.
    pub(crate) async fn custodian(&self, access: &Access) -> Result<Arc<Custodian>, DeskError> {
        match (&self.way, access.tenant()) {
            (Way::None, _) => Err(DeskError::NoLog),
            (Way::One(custodian), _) | (Way::ForTenants { base: custodian, .. }, None) => {
                Ok(Arc::clone(custodian))
            }
            (Way::ForTenants { base, opened }, Some(tenant)) => {
                // The lock is held while one is opened, so that no tenant has two.
                let mut opened = opened.lock().await;
                if let Some(custodian) = opened.get(tenant) {
                    return Ok(Arc::clone(custodian));
                }
                if opened.len() >= MAX_TENANTS {
                    return Err(DeskError::Invalid(format!(
                        "more than {MAX_TENANTS} tenants cannot be served"
                    )));
                }
                let custodian = Arc::new(base.of_tenant(tenant).await?);
                custodian.recorder().resume().await?;
                opened.insert(tenant.to_owned(), Arc::clone(&custodian));
                Ok(custodian)
            }
        }
    }

    /// The same, after what an earlier process left undone is done: for what changes the vault.
    pub(crate) async fn resumed(&self, access: &Access) -> Result<Arc<Custodian>, DeskError> {
        let custodian = self.custodian(access).await?;
        // A daemon has resumed each tenant when it was first needed.
        if let Way::One(_) = self.way {
            custodian.recorder().resume().await?;
        }
        Ok(custodian)
    }

    /// Finishes what an earlier process left undone, for every tenant that the vault has.
    pub async fn resume_all(&self, access: &Access) -> Result<(), DeskError> {
        for tenant in self.vault.tenants(access).await? {
            self.custodian(&access.of_tenant(&tenant)?).await?;
        }
        Ok(())
    }

    /// Waits until the log has what was recorded.
    pub(crate) async fn settle(&self, custodian: &Custodian) -> Result<(), DeskError> {
        let flushed = custodian.recorder().flush();
        match self.settling {
            Settling::UntilLogged => Ok(flushed.await?),
            Settling::AtMost(patience) => match tokio::time::timeout(patience, flushed).await {
                // It is durable, and sent later.
                Err(_) => Ok(()),
                Ok(Err(error)) => {
                    tracing::warn!(%error, "what was recorded is not in the log yet");
                    Ok(())
                }
                Ok(Ok(())) => Ok(()),
            },
        }
    }

    /// Records of a bundle.
    pub(crate) fn bundle_records(&self) -> usize {
        match self.settling {
            Settling::UntilLogged => MAX_BUNDLE_RECORDS,
            Settling::AtMost(_) => SERVED_BUNDLE_RECORDS,
        }
    }

    /// What renews the receipts of what is recorded here, for a daemon.
    pub fn own_renewer(&self) -> Option<Renewer> {
        match &self.way {
            Way::None => None,
            Way::One(custodian) | Way::ForTenants { base: custodian, .. } => Some(custodian.renewer()),
        }
    }

    /// What renews receipts, if the log's address is known.
    pub(crate) fn renewer(&self, access: &Access) -> Result<Option<Renewer>, CustodyError> {
        let Some(LogAddress { url, key, security }) = &self.log else { return Ok(None) };
        let connection = Connection { security: security.clone(), ..Connection::new(url.as_str()) };
        Renewer::connect(&connection, key.clone(), self.vault.clone(), access.clone()).map(Some)
    }

    /// Closes the vault and the gateway's spool.
    pub async fn close(self) {
        let base = match self.way {
            Way::None => None,
            Way::One(custodian) => Some(custodian),
            Way::ForTenants { base, opened } => {
                drop(opened);
                Some(base)
            }
        };
        if let Some(custodian) = base.and_then(Arc::into_inner) {
            custodian.stop().await;
        }
        self.vault.close().await;
    }
}
