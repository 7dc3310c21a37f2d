//! The routes of a daemon: one for each ask, `POST` with JSON. Names of people are in bodies alone, never in a URL, which proxies and
//! logs keep.
//!
//! ```text
//! request ─► caller (401, 403) ─► body (413, 415, 422) ─► turn (503) ─► Access::narrowed (403, 404) ─► Ask::answer
//! ```
//!
//! A call is carried out to its end whether or not its caller waits: nothing is left half done because a connection broke.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodRouter, post};
use axum::{Json, Router};
use http::request::Parts;
use http::{HeaderMap, HeaderValue, StatusCode, header};
use tokio::sync::Semaphore;
use tracing::Instrument;
use utoipa::openapi::OpenApi;
use vouchlog_access::{Access as Callers, Account, CertificateNames, Denied, Person, Principal};
use vouchlog_api::{Error, ErrorKind};
use vouchlog_runtime::{Readiness, charge, request_id};
use vouchlog_server::{Problem, Server, ServerConfig, own_turn, read_body, refusal};
use vouchlog_vault::{Access, Token, VaultError};

use crate::ask::{Ask, carry_out};
use crate::cases::{AddToCase, CloseCase, ListCases, NoteCase, OpenCase, ShowCase};
use crate::decisions::{DecideFindings, ListDecisions};
use crate::disclosures::ListDisclosures;
use crate::erasing::{CheckErased, Erase, PlanErasure};
use crate::error::DeskError;
use crate::exporting::Export;
use crate::findings::{CountFindings, ListFindings};
use crate::giving::{BundleSession, Present};
use crate::holding::{LiftHold, ListHolds, PlaceHold};
use crate::identities::{ListIdentities, ShowIdentity};
use crate::keeping::{CountRecords, ListRetention, SetRetention};
use crate::limits::{
    CALL_TIMEOUT, MAX_REQUEST_BYTES, RECOGNISED_AT_ONCE, REQUESTS_OF_CONNECTION, TURN_PATIENCE,
};
use crate::listing::ListSessions;
use crate::local::LocalDesk;
use crate::principals::{GrantPrincipal, ListPrincipals, RevokePrincipal};
use crate::reading::{FindRecords, RenewReceipts, ShowRecord};
use crate::remote::PATH;
use crate::searches::{DeleteSearch, ListSearches, SaveSearch};
use crate::sessions::OpenSession;
use crate::sources::ListSources;

mod describe;
mod turns;

use turns::Turns;

/// A vault, and who may ask it.
#[derive(Debug)]
pub struct Service {
    desk: LocalDesk,
    callers: Callers,
    turns: Turns,
    recognising: Semaphore,
}

/// The routes, each with its description.
struct Routes {
    router: Router<Arc<Service>>,
    document: OpenApi,
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

    /// A server of it, with pages beside the routes of the asks.
    pub fn server(self: &Arc<Self>, config: ServerConfig, pages: Router) -> Server {
        let (routes, document) = self.routes();
        let routes = routes.merge(pages);
        let asked = Arc::clone(self);
        let health = move || {
            let desk = asked.desk();
            let spool = desk.gateway().map_or(Ok(()), vouchlog::gateway::Gateway::readiness);
            let trouble = desk.gateway().and_then(|gateway| gateway.status().trouble);
            let readiness = Readiness::new().unless("vault", desk.vault().impediment()).check("spool", spool);
            // A log that is away keeps nothing from being recorded.
            match trouble {
                Some(trouble) => readiness.note("log", trouble),
                None => readiness,
            }
        };
        let max_streams_per_connection = config.max_streams_per_connection.min(REQUESTS_OF_CONNECTION);
        let config = ServerConfig { request_timeout: CALL_TIMEOUT, max_streams_per_connection, ..config };
        let server = Server::routes(routes, Router::new(), config).describe(document);
        server.health(health).access(self.callers.clone())
    }

    /// The routes, and what describes them.
    fn routes(self: &Arc<Self>) -> (Router, OpenApi) {
        let routes = Routes { router: Router::new(), document: describe::document() }
            .with::<FindRecords>()
            .with::<ListSessions>()
            .with::<SaveSearch>()
            .with::<ListSearches>()
            .with::<DeleteSearch>()
            .with::<ListFindings>()
            .with::<CountFindings>()
            .with::<DecideFindings>()
            .with::<ListDecisions>()
            .with::<ListIdentities>()
            .with::<ShowIdentity>()
            .with::<ListDisclosures>()
            .with::<ListSources>()
            .with::<OpenCase>()
            .with::<AddToCase>()
            .with::<NoteCase>()
            .with::<CloseCase>()
            .with::<ListCases>()
            .with::<ShowCase>()
            .with::<Export>()
            .with::<OpenSession>()
            .with::<ShowRecord>()
            .with::<RenewReceipts>()
            .with::<Present>()
            .with::<BundleSession>()
            .with::<PlaceHold>()
            .with::<LiftHold>()
            .with::<ListHolds>()
            .with::<PlanErasure>()
            .with::<Erase>()
            .with::<CheckErased>()
            .with::<SetRetention>()
            .with::<ListRetention>()
            .with::<CountRecords>()
            .with::<GrantPrincipal>()
            .with::<RevokePrincipal>()
            .with::<ListPrincipals>();
        (routes.router.with_state(Arc::clone(self)), routes.document)
    }
}

impl Routes {
    fn with<A: Ask>(mut self) -> Self {
        let path = format!("{PATH}{}", A::NAME);
        describe::add::<A>(&mut self.document, &path);
        let route: MethodRouter<Arc<Service>> = post(handle::<A>);
        Self { router: self.router.route(&path, route), ..self }
    }
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

/// Why a request is not carried out.
enum Refused {
    Caller(Denied),
    Request(Box<Problem>),
}

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        match self {
            Self::Caller(denied) => refusal(denied),
            Self::Request(problem) => problem.into_response(),
        }
    }
}

impl From<Error> for Refused {
    fn from(error: Error) -> Self {
        Self::Request(Box::new(error.into()))
    }
}

impl From<CallerError> for Refused {
    fn from(error: CallerError) -> Self {
        match error {
            CallerError::Denied(denied) => Self::Caller(denied),
            CallerError::Failed(error) => error.into(),
        }
    }
}

async fn handle<A: Ask>(State(service): State<Arc<Service>>, request: Request) -> Result<Response, Refused> {
    let (parts, body) = request.into_parts();
    let certificate = parts.extensions.get::<CertificateNames>();
    // What it takes to recognise a caller is not kept while the body arrives. A connection has one recognised at a time, so that a hundred
    // requests on it do not stand before the single one of another.
    let access = {
        let _own = own_turn(&parts.extensions).await;
        let _place = service.recognising.acquire().await;
        Box::pin(service.caller(&parts.headers, certificate)).await?
    };
    let Some(_request) = service.turns.enter(access.name()) else {
        return Err(Refused::from(busy("too many requests of this principal")));
    };
    if !is_json(&parts) {
        return Err(Refused::Request(Box::new(Problem::unsupported("application/json"))));
    }
    let body =
        read_body(body, MAX_REQUEST_BYTES).await.map_err(|problem| Refused::Request(Box::new(problem)))?;
    // The reason may quote what was sent, which names people: it goes back to its sender and nowhere else.
    let unprocessable = |why: String| Refused::Request(Box::new(Problem::unprocessable(why)));
    // An array would be taken for a struct whose fields are in order, an empty one for a question without conditions.
    if !body.trim_ascii_start().starts_with(b"{") {
        return Err(unprocessable("a JSON object is expected".to_owned()));
    }
    let ask: A = serde_json::from_slice(&body).map_err(|error| unprocessable(error.to_string()))?;
    let answer = Box::pin(service.ask(access, ask)).await?;
    let no_store = [(header::CACHE_CONTROL, HeaderValue::from_static("no-store"))];
    Ok((StatusCode::OK, no_store, Json(answer)).into_response())
}

fn is_json(parts: &Parts) -> bool {
    let content_type = parts.headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let essence = content_type.and_then(|value| value.split(';').next()).unwrap_or_default();
    essence.trim().eq_ignore_ascii_case("application/json")
}

impl Service {
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
            Error::internal("internal error: the operator finds the details in the server's log")
        })?
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

fn busy(why: &str) -> Error {
    Error::new(ErrorKind::Overloaded { retry_after: TURN_PATIENCE }, why)
}

/// A token of the vault, if the request has one. What is not plainly one is left to those who judge other tokens.
fn vault_token(headers: &HeaderMap) -> Option<&str> {
    let mut values = headers.get_all(header::AUTHORIZATION).iter();
    let (value, None) = (values.next()?, values.next()) else { return None };
    let (scheme, token) = value.to_str().ok()?.split_once(' ')?;
    let token = token.trim();
    (scheme.eq_ignore_ascii_case("bearer") && token.starts_with(Token::PREFIX)).then_some(token)
}
