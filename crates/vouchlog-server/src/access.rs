//! Who may do what: callers are authenticated where a route requires a role, and web pages of other sites cannot write.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::sync::Arc;

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Method as HttpMethod, StatusCode, header};
use tonic::Status;
use vouchlog_access::{Access, CertificateNames, Denied, Method, Role};
use vouchlog_api::{Error, ErrorKind};
use vouchlog_runtime::charge;
use vouchlog_runtime::sender::{self, Sender};

use crate::guard::speaks_grpc;
use crate::problem::Problem;
use crate::request::is_forwarded;
use crate::status;

/// What decides who is let in. Clones are the same one.
#[derive(Clone, Default)]
pub(crate) struct Gate {
    pub(crate) access: Access,
    pub(crate) hosts: Arc<Hosts>,
}

/// A gate, and what a route requires.
#[derive(Clone)]
pub(crate) struct Required {
    pub(crate) gate: Gate,
    pub(crate) role: Role,
    pub(crate) sites: Sites,
}

/// Whose web pages may call a route.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sites {
    /// Those of every site.
    All,
    /// Those of this server alone: see [`refuse_other_sites`].
    Own,
}

/// Lets callers with a role in. The request's extensions then have the [`Principal`](vouchlog_access::Principal).
pub(crate) async fn require(
    State(Required { gate, role, sites }): State<Required>,
    request: Request,
    next: Next,
) -> Response {
    if sites == Sites::Own
        && let Some(refusal) = of_other_site(&gate, &request)
    {
        return refusal;
    }
    let (mut parts, body) = request.into_parts();
    // A node that passes a request on has a certificate of its own, and its callers must not gain by it.
    let certificate = parts.extensions.get::<CertificateNames>().filter(|_| !is_forwarded(&parts.headers));
    match gate.access.authorize(&parts.headers, certificate, role).await {
        Ok(principal) => {
            let has_room = principal.name().is_none_or(|name| charge::to(|| format!("principal {name}")));
            if !has_room {
                // The guard knows the reason, and answers with it instead.
                return StatusCode::SERVICE_UNAVAILABLE.into_response();
            }
            let by_certificate = principal.method() == Method::Certificate;
            parts.extensions.insert(principal);
            let answered = next.run(Request::from_parts(parts, body));
            if by_certificate {
                let sender = Sender { by_certificate, ..sender::current() };
                sender::scope(sender, answered).await
            } else {
                answered.await
            }
        }
        Err(denied) => refused(&parts, role, denied),
    }
}

/// The same for an RPC, by its path. RPCs whose messages carry signatures of enrolled keys require no role.
pub(crate) async fn require_for_rpc(State(gate): State<Gate>, request: Request, next: Next) -> Response {
    match role_of_rpc(request.uri().path()) {
        Some(role) => require(State(Required { gate, role, sites: Sites::All }), request, next).await,
        None => next.run(request).await,
    }
}

fn role_of_rpc(path: &str) -> Option<Role> {
    let (service, method) = path.strip_prefix('/')?.split_once('/')?;
    match (service, method) {
        ("vouchlog.v1.Gateway", "AppendHouse") => Some(Role::Submit),
        ("vouchlog.v1.Gateway", "Enrol" | "Revoke" | "SetQuota" | "ChangeKey" | "Retire") => {
            Some(Role::Administer)
        }
        ("vouchlog.v1.Witness", "AddCheckpoint" | "SignSubtree" | "RetireLog") => Some(Role::Witness),
        ("vouchlog.v1.Log" | "vouchlog.v1.Witness", _) => Some(Role::Read),
        ("grpc.reflection.v1.ServerReflection" | "grpc.reflection.v1alpha.ServerReflection", _) => {
            Some(Role::Read)
        }
        _ => None,
    }
}

/// The refusal in the caller's own protocol.
fn refused(parts: &Parts, role: Role, denied: Denied) -> Response {
    if speaks_grpc(&parts.headers) {
        return rpc_refusal(denied).into_http();
    }
    let problem = Problem::denied(denied);
    let response = if role == Role::Witness { problem.into_text() } else { problem.into_response() };
    challenged(response, denied)
}

/// The refusal as a problem document, for routes that a program brings.
pub fn refusal(denied: Denied) -> Response {
    challenged(Problem::denied(denied).into_response(), denied)
}

fn challenged(mut response: Response, denied: Denied) -> Response {
    if !denied.is_passing() {
        // SPEC: RFC 9110 section 11.6.1, RFC 6750 section 3.
        response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static(denied.challenge()));
    }
    response
}

/// The refusal as a gRPC status, for services that a program brings.
pub fn rpc_refusal(denied: Denied) -> Status {
    if denied.is_forbidden() {
        status::status(&Error::new(ErrorKind::PermissionDenied, denied.to_string()))
    } else if denied.is_passing() {
        status::status(&Error::unavailable(denied.to_string()))
    } else {
        Status::unauthenticated(denied.to_string())
    }
}

/// Keeps web pages from writing to servers that a visitor's browser can reach: a page may send a simple POST anywhere, and the log on
/// this machine trusts its network.
pub(crate) async fn refuse_other_sites(State(gate): State<Gate>, request: Request, next: Next) -> Response {
    match of_other_site(&gate, &request) {
        Some(refusal) => refusal,
        None => next.run(request).await,
    }
}

/// The refusal of a request that another site's page sent to write.
fn of_other_site(gate: &Gate, request: &Request) -> Option<Response> {
    if *request.method() != HttpMethod::POST {
        return None;
    }
    let problem = match origin(request, &gate.hosts) {
        Origin::NoBrowser | Origin::Same => return None,
        Origin::OtherSite => Problem::other_site(),
        Origin::UnknownHost => Problem::unknown_host(),
    };
    Some(match speaks_grpc(request.headers()) {
        true => {
            let error = Error::new(ErrorKind::PermissionDenied, problem.reason().detail);
            status::status(&error).into_http()
        }
        false => problem.into_response(),
    })
}

/// Where a request comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Origin {
    NoBrowser,
    Same,
    OtherSite,
    /// The browser took this server for a host that it does not know: a name that was pointed here to pass for the same site
    /// (DNS rebinding).
    UnknownHost,
}

/// SPEC: browsers say where a request comes from in `Sec-Fetch-Site` (W3C Fetch Metadata), where the connection is trusted, and in
/// `Origin` (RFC 6454) with every POST. Other programs send neither.
fn origin(request: &Request, hosts: &Hosts) -> Origin {
    let headers = request.headers();
    let site = headers.get("sec-fetch-site");
    let from = headers.get(header::ORIGIN);
    if site.is_none() && from.is_none() {
        return Origin::NoBrowser;
    }
    let host = host(request.uri().authority().map(http::uri::Authority::as_str), headers);
    let is_same = match (site, from) {
        (Some(site), _) => site == "same-origin" || site == "none",
        (None, Some(from)) => {
            let from = from.to_str().unwrap_or_default();
            let authority = from.strip_prefix("http://").or_else(|| from.strip_prefix("https://"));
            authority.is_some_and(|authority| authority == host)
        }
        (None, None) => false,
    };
    match (is_same, hosts.know(host)) {
        (false, _) => Origin::OtherSite,
        (true, false) => Origin::UnknownHost,
        (true, true) => Origin::Same,
    }
}

/// The host that a request is for: HTTP/2 has it in the URI.
fn host<'a>(authority: Option<&'a str>, headers: &'a HeaderMap) -> &'a str {
    let header = || headers.get(header::HOST).and_then(|host| host.to_str().ok());
    authority.or_else(header).unwrap_or_default()
}

/// The names by which browsers may reach a server, besides addresses and the names of this machine itself. An address cannot be pointed
/// elsewhere, as a name can.
#[derive(Debug, Default)]
pub(crate) struct Hosts(BTreeSet<String>);

impl Hosts {
    pub(crate) fn new(names: impl IntoIterator<Item = String>) -> Self {
        Self(names.into_iter().map(|name| name.trim_end_matches('.').to_ascii_lowercase()).collect())
    }

    /// Whether a host, with or without its port, is one of them.
    fn know(&self, host: &str) -> bool {
        let name = without_port(host);
        if let Some(address) = name.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            return address.parse::<IpAddr>().is_ok();
        }
        if name.parse::<IpAddr>().is_ok() {
            return true;
        }
        let name = name.trim_end_matches('.').to_ascii_lowercase();
        // SPEC: RFC 6761 section 6.3: names below `localhost` are this machine.
        name == "localhost" || name.ends_with(".localhost") || self.0.contains(&name)
    }
}

fn without_port(host: &str) -> &str {
    match host.rsplit_once(':') {
        Some((name, port)) if !port.is_empty() && port.bytes().all(|c| c.is_ascii_digit()) => name,
        _ => host,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_names_of_this_machine_and_given_names_are_known() {
        let hosts = Hosts::new(["Log.Example.".to_owned()]);
        for known in [
            "127.0.0.1",
            "127.0.0.1:6962",
            "10.1.2.3:80",
            "[::1]:6962",
            "[::1]",
            "localhost",
            "LOCALHOST:6962",
            "a.localhost",
            "log.example",
            "LOG.example:443",
            "log.example.",
        ] {
            assert!(hosts.know(known), "{known}");
        }
        for unknown in [
            "",
            "evil.example",
            "evil.example:6962",
            "localhost.evil.example",
            "127.0.0.1.evil.example",
            "xlog.example",
            "log.example.evil",
            "[evil]",
            "notlocalhost",
            "::1x",
        ] {
            assert!(!hosts.know(unknown), "{unknown}");
        }
    }

    #[test]
    fn each_rpc_has_the_role_of_its_route() {
        for (path, role) in [
            ("/vouchlog.v1.Gateway/AppendHouse", Some(Role::Submit)),
            ("/vouchlog.v1.Gateway/Enrol", Some(Role::Administer)),
            ("/vouchlog.v1.Gateway/Revoke", Some(Role::Administer)),
            ("/vouchlog.v1.Gateway/SetQuota", Some(Role::Administer)),
            ("/vouchlog.v1.Gateway/ChangeKey", Some(Role::Administer)),
            ("/vouchlog.v1.Gateway/Retire", Some(Role::Administer)),
            ("/vouchlog.v1.Witness/RetireLog", Some(Role::Witness)),
            ("/vouchlog.v1.Gateway/AppendStream", None),
            ("/vouchlog.v1.Gateway/OpenStream", None),
            ("/vouchlog.v1.Log/GetEntries", Some(Role::Read)),
            ("/vouchlog.v1.Witness/AddCheckpoint", Some(Role::Witness)),
            ("/vouchlog.v1.Witness/SignSubtree", Some(Role::Witness)),
            ("/vouchlog.v1.Witness/GetLatestCheckpoint", Some(Role::Read)),
            ("/grpc.health.v1.Health/Check", None),
            ("nonsense", None),
        ] {
            assert_eq!(role_of_rpc(path), role, "{path}");
        }
    }
}
