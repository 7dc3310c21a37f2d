//! What all requests to the console share.

use std::sync::Arc;

use http::{HeaderMap, HeaderValue, header};
use jiff::Timestamp;
use tokio::sync::{Semaphore, SemaphorePermit};
use vouchlog::{Policy, VerifyingKey};
use vouchlog_access::{Account, CertificateNames, Denied, PendingSignIn, PendingSignOut, SignInReturn};
use vouchlog_api::{Error, ErrorKind};
use vouchlog_desk::serve::{CallerError, Service};
use vouchlog_vault::Access;

use crate::attempts::Attempts;
use crate::handles::Handles;
use crate::limits::{DRAWING_PATIENCE, DRAWINGS, REDEEM_PATIENCE, REDEEMED_AT_ONCE};
use crate::returns::Returns;
use crate::visits::{Credential, Visits};

/// The settings of the console.
#[derive(Clone, Debug)]
pub struct ConsoleConfig {
    /// Whether browsers reach it over TLS; then its cookie is never sent without.
    pub is_tls: bool,
    /// The log of the vault's records: proofs are judged by its key.
    pub log: VerifyingKey,
    /// The witnesses whose cosignatures count.
    pub policy: Option<Policy>,
}

/// The state of the console.
pub(crate) struct Console {
    pub(crate) service: Arc<Service>,
    pub(crate) config: ConsoleConfig,
    pub(crate) handles: Handles,
    pub(crate) visits: Visits,
    pub(crate) attempts: Attempts,
    pub(crate) returns: Returns,
    redeeming: Semaphore,
    drawings: Semaphore,
}

impl Console {
    pub(crate) fn new(service: Arc<Service>, config: ConsoleConfig) -> Self {
        Self {
            service,
            config,
            handles: Handles::new(),
            visits: Visits::default(),
            attempts: Attempts::default(),
            returns: Returns::default(),
            redeeming: Semaphore::new(REDEEMED_AT_ONCE),
            drawings: Semaphore::new(DRAWINGS),
        }
    }

    /// The caller that a visit is of. `certificate` is that of the request's connection.
    pub(crate) async fn caller(
        &self,
        credential: &Credential,
        certificate: Option<&CertificateNames>,
    ) -> Result<Access, CallerError> {
        match credential {
            Credential::Token(token) => self.bearer(token).await,
            Credential::Account(account) => self.service.person(account).await,
            Credential::Certificate => self.service.caller(&HeaderMap::new(), certificate).await,
        }
    }

    /// The account that a return from an identity provider is of.
    pub(crate) async fn redeem(
        &self,
        pending: &PendingSignIn,
        returned: &SignInReturn,
    ) -> Result<Account, Denied> {
        let Ok(_turn) = tokio::time::timeout(REDEEM_PATIENCE, self.redeeming.acquire()).await else {
            return Err(Denied::Unavailable);
        };
        self.service.callers().finish_sign_in(pending, returned).await
    }

    /// How a browser signs out at the identity provider of an account, if it is to.
    pub(crate) async fn sign_out_at_provider(&self, account: &Account) -> Option<PendingSignOut> {
        // Whatever becomes of it, the visit here is over.
        self.service.callers().begin_sign_out(account).await.ok().flatten()
    }

    async fn bearer(&self, token: &str) -> Result<Access, CallerError> {
        let mut value = HeaderValue::try_from(format!("Bearer {token}"))
            .map_err(|_| CallerError::Denied(Denied::Malformed))?;
        value.set_sensitive(true);
        let headers = HeaderMap::from_iter([(header::AUTHORIZATION, value)]);
        self.service.caller(&headers, None).await
    }

    /// A turn to draw a session, of which each takes much memory.
    pub(crate) async fn drawing(&self) -> Result<SemaphorePermit<'_>, Error> {
        match tokio::time::timeout(DRAWING_PATIENCE, self.drawings.acquire()).await {
            Ok(Ok(turn)) => Ok(turn),
            _ => Err(Error::new(
                ErrorKind::Overloaded { retry_after: DRAWING_PATIENCE },
                "too many sessions are being drawn: retry shortly",
            )),
        }
    }
}

/// The time.
pub(crate) fn now() -> Timestamp {
    Timestamp::from_millisecond(vouchlog::unix_millis().signed()).unwrap_or(Timestamp::MAX)
}
