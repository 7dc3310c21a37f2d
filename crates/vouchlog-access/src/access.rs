//! The decision: from what a request presents to a principal, or a refusal.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

use arc_swap::ArcSwap;
use http::{HeaderMap, header};
use jiff::Timestamp;
use prometheus_client::registry::Registry;
use vouchlog_outbound::ConnectionSecurity;

use crate::claims::Claims;
use crate::config::{AccessFile, Issuer, SubjectEntry};
use crate::denied::Denied;
use crate::grants::{EmitGrants, Role};
use crate::jwt::Unverified;
use crate::limits::MAX_TOKEN_BYTES;
use crate::metrics::AccessMetrics;
use crate::principal::{BEARER, Identity, Method, Person, Principal};
use crate::provider::{AccessError, Pace, Provider};
use crate::token::{BearerToken, StoredToken, TokenTable};

/// Of a subject that the file does not have.
const NO_PRINCIPAL: Denied = Denied::Forbidden("the token is valid, and its subject is no principal here");

/// Who can reach a server.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Reach {
    /// Programs on this machine: a trial, in which everyone is trusted like its owner.
    #[default]
    Loopback,
    /// Other machines.
    Network,
}

/// What callers are recognised by.
#[derive(Clone, Debug, Default)]
pub struct Setup {
    /// The access file, if there is one.
    pub file: Option<AccessFile>,
    /// A token that lets its bearer send everything that [`EmitGrants::trial`] allows.
    pub bearer: Option<BearerToken>,
    /// Who can reach the server. It decides what callers may do while neither of the two is set.
    pub reach: Reach,
    /// How identity providers are connected to. Plain text to them stays on this machine in any case.
    pub security: ConnectionSecurity,
}

/// The names of a client certificate that TLS has verified, as an extension of requests.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CertificateNames {
    /// Its SPIFFE id: the one URI in its subject alternative names that is one.
    pub spiffe: Option<String>,
    /// Its DNS names.
    pub dns: Vec<String>,
}

/// Authenticates callers. Clones are the same one.
#[derive(Clone)]
pub struct Access(Arc<Inner>);

struct Inner {
    state: ArcSwap<State>,
    clock: fn() -> Timestamp,
    pace: Pace,
    metrics: AccessMetrics,
}

/// Everything that a [`Setup`] amounts to.
#[derive(Default)]
struct State {
    is_on: bool,
    principals: Vec<Arc<Identity>>,
    tokens: TokenTable,
    /// Places of principals by `spiffe://…` or `dns:…`.
    certificates: BTreeMap<String, usize>,
    subjects: Vec<(SubjectEntry, usize)>,
    providers: Vec<Arc<Provider>>,
    /// How they are connected to.
    security: ConnectionSecurity,
    anonymous: Arc<Identity>,
}

impl Default for Access {
    /// Nobody is authenticated, and everyone may do what a trial on this machine needs.
    fn default() -> Self {
        Self::off(Reach::Loopback)
    }
}

impl fmt::Debug for Access {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Access").field("is_on", &self.is_on()).finish_non_exhaustive()
    }
}

impl Access {
    /// A layer for a setup. `clock` tells when tokens expire.
    pub fn new(setup: &Setup, clock: fn() -> Timestamp) -> Result<Self, AccessError> {
        Self::with_pace(setup, clock, Pace::default())
    }

    /// A layer that authenticates nobody.
    pub fn off(reach: Reach) -> Self {
        let metrics = AccessMetrics::default();
        let state = ArcSwap::from_pointee(State::of(&Setup { reach, ..Setup::default() }, Vec::new()));
        let never = || Timestamp::UNIX_EPOCH;
        Self(Arc::new(Inner { state, clock: never, pace: Pace::default(), metrics }))
    }

    pub(crate) fn with_pace(
        setup: &Setup,
        clock: fn() -> Timestamp,
        pace: Pace,
    ) -> Result<Self, AccessError> {
        let inner = Inner { state: ArcSwap::default(), clock, pace, metrics: AccessMetrics::default() };
        let access = Self(Arc::new(inner));
        access.replace(setup)?;
        Ok(access)
    }

    /// Takes another setup from the next request on. What is known of an issuer's keys is kept where its entry did not change.
    ///
    /// # Errors
    /// A client for a new issuer cannot be made. Then the setup stays as it was.
    pub fn replace(&self, setup: &Setup) -> Result<(), AccessError> {
        let inner = &self.0;
        let known = inner.state.load_full();
        let is_known = |provider: &Provider, issuer: &Issuer| {
            provider.issuer == *issuer && known.security == setup.security
        };
        let provider = |issuer: &Issuer| {
            let kept = known.providers.iter().find(|provider| is_known(provider, issuer));
            match kept {
                Some(kept) => Ok(Arc::clone(kept)),
                None => Provider::new(issuer.clone(), inner.pace, &setup.security, inner.metrics.clone())
                    .map(Arc::new),
            }
        };
        let issuers = setup.file.iter().flat_map(|file| &file.issuers);
        let providers = issuers.map(provider).collect::<Result<_, _>>()?;
        inner.state.store(Arc::new(State::of(setup, providers)));
        Ok(())
    }

    /// Whether callers are authenticated at all.
    pub fn is_on(&self) -> bool {
        self.0.state.load().is_on
    }

    /// Adds the metrics.
    pub fn register(&self, registry: &mut Registry) {
        self.0.metrics.register(registry);
    }

    /// The caller of a request: by its bearer token if it has one, else by its certificate, else nobody. A credential that is there
    /// and not valid is refused, also where none would do.
    pub async fn authenticate(
        &self,
        headers: &HeaderMap,
        certificate: Option<&CertificateNames>,
    ) -> Result<Principal, Denied> {
        let state = self.0.state.load_full();
        let decided = self.decide(&state, headers, certificate).await;
        if state.is_on {
            self.0.metrics.decided(&decided);
        }
        if let Err(denied) = &decided {
            tracing::debug!(%denied, "a caller was not authenticated");
        }
        decided
    }

    /// The caller of a request, if it has a role.
    pub async fn authorize(
        &self,
        headers: &HeaderMap,
        certificate: Option<&CertificateNames>,
        role: Role,
    ) -> Result<Principal, Denied> {
        let principal = self.authenticate(headers, certificate).await?;
        principal.require(role).inspect_err(|denied| self.count(*denied))?;
        Ok(principal)
    }

    /// Counts a refusal that was decided elsewhere, from a principal's grants.
    pub fn count(&self, denied: Denied) {
        self.0.metrics.denied(denied);
    }

    /// The providers, in the order of the file.
    pub(crate) fn providers(&self) -> Vec<Arc<Provider>> {
        self.0.state.load().providers.clone()
    }

    /// The time.
    pub(crate) fn now(&self) -> Timestamp {
        (self.0.clock)()
    }

    /// The principal of a person who signed in with these claims, as the file has it now. It is counted like any request.
    pub(crate) fn principal_of_person(&self, claims: &Claims) -> Result<Principal, Denied> {
        let state = self.0.state.load();
        let subject = state.subjects.iter().find(|(subject, _)| claims.are_of_person(subject));
        let decided = subject
            .map(|(subject, place)| Principal {
                person: claims.person(subject),
                ..state.principal(*place, Method::Oidc)
            })
            .ok_or(NO_PRINCIPAL);
        self.0.metrics.decided(&decided);
        decided
    }

    async fn decide(
        &self,
        state: &State,
        headers: &HeaderMap,
        certificate: Option<&CertificateNames>,
    ) -> Result<Principal, Denied> {
        if !state.is_on {
            return Ok(state.anonymous());
        }
        if let Some(token) = bearer(headers)? {
            return self.by_token(state, token).await;
        }
        if let Some(place) = certificate.and_then(|names| state.by_certificate(names)) {
            return Ok(state.principal(place, Method::Certificate));
        }
        Ok(state.anonymous())
    }

    async fn by_token(&self, state: &State, token: &str) -> Result<Principal, Denied> {
        let now = (self.0.clock)();
        if let Some(known) = state.tokens.find(token.as_bytes()) {
            return match known.expires {
                Some(expires) if expires <= now => Err(Denied::Expired),
                _ => Ok(state.principal(known.principal, Method::Token)),
            };
        }
        if state.providers.is_empty() || !Unverified::is_jwt(token) {
            return Err(Denied::Invalid("the token is not known"));
        }
        let token = Unverified::parse(token)?;
        let provider = state.providers.iter().find(|provider| provider.issuer.issuer == token.issuer);
        let provider = provider.ok_or(Denied::Invalid("it is of another issuer"))?;
        let known = provider.keys(|keys| token.key(keys).is_some()).await?;
        let key = token.key(&known.keys).ok_or(Denied::Invalid("the issuer has no such key"))?;
        let claims = token.verify(key, &provider.issuer, &provider.issuer.audience, now)?;
        let subject = state.subjects.iter().find(|(subject, _)| claims.are_of(subject));
        match subject {
            Some((subject, place)) => {
                let person = claims.person(subject);
                Ok(Principal { person, ..state.principal(*place, Method::Oidc) })
            }
            None => Err(NO_PRINCIPAL),
        }
    }
}

impl State {
    fn of(setup: &Setup, providers: Vec<Arc<Provider>>) -> Self {
        let Setup { file, bearer, reach, security } = setup;
        let is_on = file.is_some() || bearer.is_some();
        let mut state = Self { is_on, providers, security: security.clone(), ..Self::default() };
        // Without a file, only telemetry is kept from strangers: statements carry signatures of their own.
        let all_roles = || BTreeSet::from(Role::ALL);
        let emit = match (bearer, reach) {
            (Some(_), _) => None,
            (None, Reach::Loopback) => Some(Arc::new(EmitGrants::trial())),
            (None, Reach::Network) => Some(Arc::new(EmitGrants::stranger())),
        };
        state.anonymous = Arc::new(Identity { name: None, roles: all_roles(), emit });
        if let Some(file) = file {
            let AccessFile { principals, issuers: _, anonymous } = file;
            let emit = anonymous.emit.clone().map(|emit| Arc::new(EmitGrants { seal_own: false, ..emit }));
            state.anonymous = Arc::new(Identity { name: None, roles: anonymous.roles.clone(), emit });
            for entry in principals {
                let emit = entry.emit.clone().map(Arc::new);
                let place = state.add(&entry.name, entry.roles.clone(), emit);
                for token in &entry.tokens {
                    let (sha256, expires) = (token.sha256, token.expires);
                    state.tokens.push(StoredToken { sha256, expires, principal: place });
                }
                state.subjects.extend(entry.oidc.iter().map(|subject| (subject.clone(), place)));
                state.certificates.extend(entry.certificates.iter().map(|name| (name.clone(), place)));
            }
        }
        if let Some(BearerToken(sha256)) = bearer {
            let place = state.add(BEARER, BTreeSet::from([Role::Read]), Some(Arc::new(EmitGrants::trial())));
            state.tokens.push(StoredToken { sha256: *sha256, expires: None, principal: place });
        }
        state
    }

    fn add(&mut self, name: &str, roles: BTreeSet<Role>, emit: Option<Arc<EmitGrants>>) -> usize {
        self.principals.push(Arc::new(Identity { name: Some(name.to_owned()), roles, emit }));
        self.principals.len() - 1
    }

    fn principal(&self, place: usize, method: Method) -> Principal {
        Principal { identity: Arc::clone(&self.principals[place]), method, person: Person::Sole }
    }

    fn anonymous(&self) -> Principal {
        Principal { identity: Arc::clone(&self.anonymous), method: Method::Anonymous, person: Person::Sole }
    }

    /// The principal of a certificate. A certificate of which two names are of different principals is nobody's.
    fn by_certificate(&self, names: &CertificateNames) -> Option<usize> {
        let dns = names.dns.iter().map(|name| format!("dns:{}", name.to_ascii_lowercase()));
        let all = names.spiffe.iter().cloned().chain(dns);
        let places: BTreeSet<usize> = all.filter_map(|name| self.certificates.get(&name).copied()).collect();
        places.first().copied().filter(|_| places.len() == 1)
    }
}

/// The bearer token of a request, if it has one. A second header, or another scheme, is not overlooked.
///
/// SPEC: RFC 6750 section 2.1; RFC 9110 section 11.1: the scheme is compared without regard to case.
pub fn bearer(headers: &HeaderMap) -> Result<Option<&str>, Denied> {
    let mut values = headers.get_all(header::AUTHORIZATION).iter();
    let Some(value) = values.next() else { return Ok(None) };
    if values.next().is_some() {
        return Err(Denied::Malformed);
    }
    let value = value.to_str().map_err(|_| Denied::Malformed)?;
    let (scheme, token) = value.split_once(' ').ok_or(Denied::Malformed)?;
    let token = token.trim();
    if !scheme.eq_ignore_ascii_case("bearer") || token.is_empty() || token.len() > MAX_TOKEN_BYTES {
        return Err(Denied::Malformed);
    }
    Ok(Some(token))
}
