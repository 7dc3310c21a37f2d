//! Signing in with a client certificate that TLS has verified, without a form; and the form for those without one.
//!
//! ```text
//! /console/sign-in ─► certificate of a principal ─► visit, cookie ─► page ─► /console/sign-in/certificate ─► cookie came back ─► next
//! ```

use std::sync::Arc;
use std::time::Instant;

use axum::Extension;
use axum::extract::{Query, State};
use axum::response::Response;
use http::{HeaderMap, StatusCode};
use maud::html;
use url::form_urlencoded;
use vouchlog_access::CertificateNames;
use vouchlog_session::plain;

use super::sign_in::{Next, begin_visit, form, is_own};
use crate::console::Console;
use crate::frame::onward;
use crate::respond::{page, redirect};
use crate::visitor::{cookie, cookie_name};
use crate::visits::Credential;

/// The page on which one signs in. A browser whose certificate is a principal's is signed in instead.
pub(crate) async fn show(
    State(console): State<Arc<Console>>,
    certificate: Option<Extension<CertificateNames>>,
    headers: HeaderMap,
    Query(Next { next, other }): Query<Next>,
) -> Response {
    // What is no page, such as an image that a page of another site names, begins no visit.
    let destination = headers.get("sec-fetch-dest").and_then(|it| it.to_str().ok());
    let is_page = matches!(destination, None | Some("document"));
    if let Some(Extension(names)) = certificate.filter(|_| is_page && other.is_empty())
        && let Some(first) = signed_in(&console, &names, &next).await
    {
        return first;
    }
    form(&console, &headers, StatusCode::OK, &next, None)
}

/// The first page of the visit. A redirect would still be the request of the site whose link was followed, and the cookie of the visit goes
/// with requests of our own pages alone.
async fn signed_in(console: &Console, certificate: &CertificateNames, next: &str) -> Option<Response> {
    let access = console.caller(&Credential::Certificate, Some(certificate)).await.ok()?;
    let next: String = form_urlencoded::byte_serialize(own(next).as_bytes()).collect();
    let to = format!("/console/sign-in/certificate?next={next}");
    let main = html! {
        h1 { "Signed in" }
        p.lede { "As " (plain(access.name())) ", by the certificate of your browser. " a href=(to) { "Continue to the console" } }
    };
    let first = page(StatusCode::OK, onward("Signed in", &main, &to));
    begin_visit(console, access.name(), Credential::Certificate, first).ok()
}

/// Leads on, once the cookie has come back: a browser that keeps none would be signed in again and again.
pub(crate) async fn arrive(
    State(console): State<Arc<Console>>,
    headers: HeaderMap,
    Query(Next { next, .. }): Query<Next>,
) -> Response {
    let cookie = cookie(&headers, cookie_name(console.config.is_tls));
    if cookie.is_some_and(|cookie| console.visits.find(cookie, Instant::now()).is_some()) {
        return redirect(own(&next));
    }
    let why =
        "Your browser did not send the cookie of your visit. Allow cookies, and open the console again.";
    form(&console, &headers, StatusCode::BAD_REQUEST, &next, Some(why))
}

/// The page to open: one of ours.
fn own(next: &str) -> &str {
    if is_own(next) { next } else { "/console/sessions" }
}
