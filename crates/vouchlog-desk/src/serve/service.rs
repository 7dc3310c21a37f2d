//! Who may ask a vault, and what is done for a caller: the same whichever interface a request came over.

use std::sync::Arc;

use http::request::Parts;
use http::{HeaderMap, header};
use tokio::sync::Semaphore;
use tracing::Instrument;
use vouchlog_access::{Access as Callers, Account, CertificateNames, Denied, Person, Principal};
use vouchlog_api::{Error, ErrorKind};
use vouchlog_runtime::{charge, request_id};
use vouchlog_server::own_turn;
use vouchlog_vault::{Access, Token, VaultError};

use super::turns::{Request, Turns};
use crate::ask::{Ask, carry_out};
use crate::error::DeskError;
use crate::limits::{RECOGNISED_AT_ONCE, TURN_PATIENCE};
use crate::local::LocalDesk;

/// A vault, and who may ask it.
#[derive(Debug)]
pub struct Service {
    desk: LocalDesk,
    callers: Callers,
    turns: Turns,
    recognising: Semaphore,
}

/// Why a caller is not recognised.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CallerError {
    /// Its credential is not one that opens this vault.
    #[error(transparent)]
    Denied(#[from] Denied),
    /// Whether it is one cannot be checked now.
    #[error(transparent)]
    Failed(#[from] Error),
}

impl Service {
    /// Serves a vault. Callers are recognised by tokens of the vault, or by `callers`; then the vault's principal of the same name says
    /// what they may do.
    pub fn new(desk: LocalDesk, callers: Callers) -> Arc<Self> {
        Arc::new(Self { desk, callers, turns: Turns::new(), recognising: Semaphore::new(RECOGNISED_AT_ONCE) })
    }

    /// The vault.
    pub fn desk(&self) -> &LocalDesk {
        &self.desk
    }

    /// Who may ask it.
    pub fn callers(&self) -> &Callers {
        &self.callers
    }

    /// Closes the vault. Calls that still run keep it open.
    pub async fn close(self: Arc<Self>) {
        // A call that outlived its server's patience is finished by the next start.
        if let Some(service) = Arc::into_inner(self) {
            service.desk.close().await;
        }
    }

    /// Carries something out for a caller, in its turn, and to its end whether or not the caller waits.
    ///
    /// # Errors
    /// As for a caller of the daemon: what is of another tenant is as if it were not there.
    pub async fn ask<A: Ask>(self: &Arc<Self>, access: Access, ask: A) -> Result<A::Answer, Error> {
        let service = Arc::clone(self);
        // A turn lasts as long as the call, which may outlive its request.
        let call = async move {
            let Some(_turn) = service.turns.take(access.name()).await else {
                return Err(busy("the vault is busy: retry"));
            };
            carry_out(&service.desk, &access, ask).await.map_err(|error| Error::from(&error))
        };
        let call = call.instrument(tracing::Span::current());
        let carried_out = match request_id::current() {
            Some(id) => tokio::spawn(request_id::scope(id, call)),
            None => tokio::spawn(call),
        };
        carried_out.await.map_err(|_| {
            tracing::error!("a call of the vault panicked");
            noted()
        })?
    }

    /// Whose request this is, by its head, and its place among the requests of that principal.
    ///
    /// What it takes to recognise a caller is not kept while the body arrives. A connection has one recognised at a time, so that a hundred
    /// requests on it do not stand before the single one of another.
    pub(super) async fn recognised(&self, parts: &Parts) -> Result<(Access, Request), CallerError> {
        let certificate = parts.extensions.get::<CertificateNames>();
        let access = {
            let _own = own_turn(&parts.extensions).await;
            let _place = self.recognising.acquire().await;
            Box::pin(self.caller(&parts.headers, certificate)).await?
        };
        match self.turns.enter(access.name()) {
            Some(request) => Ok((access, request)),
            None => Err(busy("too many requests of this principal").into()),
        }
    }

    /// What the caller of a request may do. Everything it may not is decided by the vault.
    ///
    /// # Errors
    /// See [`CallerError`].
    pub async fn caller(
        &self,
        headers: &HeaderMap,
        certificate: Option<&CertificateNames>,
    ) -> Result<Access, CallerError> {
        let access = match vault_token(headers) {
            Some(token) => {
                let unknown = || Denied::Invalid("the token is not known");
                let token = Token::parse(token).map_err(|_| unknown())?;
                match self.desk.vault().authenticate(&token).await {
                    Err(VaultError::TokenUnknown) => return Err(unknown().into()),
                    access => access.map_err(failed)?,
                }
            }
            None => {
                let principal = self.callers.authenticate(headers, certificate).await?;
                Box::pin(self.access_of(&principal)).await?
            }
        };
        charged(access)
    }

    /// The same of a person who signed in at an identity provider.
    ///
    /// # Errors
    /// See [`CallerError`].
    pub async fn person(&self, account: &Account) -> Result<Access, CallerError> {
        let principal = self.callers.account(account)?;
        charged(Box::pin(self.access_of(&principal)).await?)
    }

    /// What a caller may do that an access file recognises: the vault's principal of the same name.
    async fn access_of(&self, principal: &Principal) -> Result<Access, CallerError> {
        let Some(name) = principal.name() else { return Err(Denied::Missing.into()) };
        let access = match self.desk.vault().principal(name).await {
            Err(VaultError::UnknownPrincipal(_)) => {
                let denied = Denied::Forbidden("the caller is known, and no principal of this vault");
                self.callers.count(denied);
                return Err(denied.into());
            }
            access => access.map_err(failed)?,
        };
        match principal.person() {
            Person::Sole => Ok(access),
            Person::OfGroup(person) => Ok(access.of_person(person)),
            Person::Unnamed => {
                let denied = Denied::Forbidden(
                    "the token is of a group and names no member, so it cannot be put on record",
                );
                self.callers.count(denied);
                Err(denied.into())
            }
        }
    }
}

/// The access, unless its principal asks too often.
fn charged(access: Access) -> Result<Access, CallerError> {
    if !charge::to(|| format!("principal {}", access.name())) {
        return Err(busy("too many requests of this principal").into());
    }
    Ok(access)
}

fn failed(error: VaultError) -> CallerError {
    CallerError::Failed(Error::from(&DeskError::from(error)))
}

/// What a caller is told of a fault of ours, which is in the server's log.
pub(super) fn noted() -> Error {
    Error::internal("internal error: the operator finds the details in the server's log")
}

fn busy(why: &str) -> Error {
    Error::new(ErrorKind::Overloaded { retry_after: TURN_PATIENCE }, why)
}

/// A token of the vault, if the request has one. Everything else is checked as a token of the access file.
fn vault_token(headers: &HeaderMap) -> Option<&str> {
    let mut values = headers.get_all(header::AUTHORIZATION).iter();
    let (value, None) = (values.next()?, values.next()) else { return None };
    let (scheme, token) = value.to_str().ok()?.split_once(' ')?;
    let token = token.trim();
    (scheme.eq_ignore_ascii_case("bearer") && token.starts_with(Token::PREFIX)).then_some(token)
}
