//! Signing in at an identity provider: the way there, and the way back.
//!
//! ```text
//! /console/sign-in/at/{provider} ─► cookie of this browser: state, nonce, verifier, sealed ─► the provider
//! the provider ─► /console/sign-in/return?code&state ─► cookie, once, in time ─► code redeemed ─► visit
//! ```
//!
//! The server keeps nothing of a sign-in that was begun: what finishes it is in the cookie, sealed, so that no number of beginnings takes
//! memory, and an answer is worth nothing in another browser.

use std::sync::Arc;
use std::time::Instant;

use axum::Extension;
use axum::extract::{Path, Query, RawQuery, State};
use axum::response::Response;
use http::{HeaderMap, StatusCode};
use maud::html;
use vouchlog_access::{Denied, SignInReturn};
use vouchlog_desk::serve::CallerError;
use vouchlog_server::Peer;

use super::sign_in::{Next, TOO_MANY, begin_visit, form, is_own, set_cookie};
use crate::console::{Console, now};
use crate::frame::onward;
use crate::limits::{MAX_NEXT_BYTES, SIGN_IN_PATIENCE};
use crate::names::{BegunSignIn, ProviderName};
use crate::respond::{page, redirect};
use crate::returns::NotTaken;
use crate::visitor::cookie;
use crate::visits::{Credential, Full};

/// Why the sign-in failed.
struct Refused(StatusCode, String);

/// The name of the cookie that a sign-in waits in.
const fn begun_cookie(is_tls: bool) -> &'static str {
    if is_tls { "__Host-vouchlog-begun" } else { "vouchlog-begun" }
}

/// The cookie comes back with a browser that the provider sends, which is another site. It lasts for [`SIGN_IN_PATIENCE`].
pub(super) const FROM_PROVIDER: &str = "SameSite=Lax; Max-Age=600";
/// See [`FROM_PROVIDER`].
pub(super) const FORGOTTEN: &str = "SameSite=Lax; Max-Age=0";

/// Sends a browser to an identity provider.
pub(crate) async fn begin(
    State(console): State<Arc<Console>>,
    headers: HeaderMap,
    Path(handle): Path<String>,
    Query(Next { next, .. }): Query<Next>,
) -> Response {
    // A link of another site begins nothing: the person has to choose the provider on a page of ours.
    let site = headers.get("sec-fetch-site").and_then(|site| site.to_str().ok());
    let provider = console.handles.open::<ProviderName>(&handle);
    let Some(ProviderName(issuer)) = provider.filter(|_| matches!(site, None | Some("same-origin" | "none")))
    else {
        return redirect("/console/sign-in");
    };
    let next = if is_own(&next) && next.len() <= MAX_NEXT_BYTES { next } else { String::new() };
    match console.service.callers().begin_sign_in(&issuer).await {
        Ok((url, pending)) => {
            let begun = BegunSignIn { pending, at: now().as_millisecond(), next };
            let (is_tls, sealed) = (console.config.is_tls, console.handles.of(&begun));
            let mut response = redirect(&url);
            set_cookie(&mut response, is_tls, (begun_cookie(is_tls), &sealed), FROM_PROVIDER);
            response
        }
        Err(denied) => {
            let Refused(status, why) = refused(denied);
            form(&console, &headers, status, &next, Some(&why))
        }
    }
}

/// Takes a browser back that an identity provider sends.
pub(crate) async fn come_back(
    State(console): State<Arc<Console>>,
    peer: Option<Extension<Peer>>,
    headers: HeaderMap,
    RawQuery(query): RawQuery,
) -> Response {
    let is_tls = console.config.is_tls;
    let from = peer.map(|Extension(peer)| peer.address.ip());
    let begun =
        cookie(&headers, begun_cookie(is_tls)).and_then(|sealed| console.handles.open::<BegunSignIn>(sealed));
    let next = begun.as_ref().map_or("", |begun| begun.next.as_str()).to_owned();
    let came_back = if console.attempts.may_try(from, Instant::now()) {
        signed_in(&console, begun, query.as_deref().unwrap_or_default()).await
    } else {
        let why = "Too many failed sign-ins from your address. Wait a minute.";
        Err(Refused(StatusCode::TOO_MANY_REQUESTS, why.to_owned()))
    };
    let mut response = came_back.unwrap_or_else(|Refused(status, why)| {
        if matches!(status, StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN) {
            console.attempts.failed(from, Instant::now());
        }
        form(&console, &headers, status, &next, Some(&why))
    });
    set_cookie(&mut response, is_tls, (begun_cookie(is_tls), ""), FORGOTTEN);
    response
}

/// The first page of the visit. The browser goes on by itself: a redirect here would still be the provider's, and the cookie of the visit
/// goes with requests of our own pages alone.
async fn signed_in(console: &Console, begun: Option<BegunSignIn>, query: &str) -> Result<Response, Refused> {
    let unauthorized = |why: &str| Refused(StatusCode::UNAUTHORIZED, why.to_owned());
    let patience = i64::try_from(SIGN_IN_PATIENCE.as_millis()).unwrap_or(i64::MAX);
    let is_in_time =
        |begun: &BegunSignIn| (0..patience).contains(&now().as_millisecond().saturating_sub(begun.at));
    let begun = begun.filter(is_in_time).ok_or_else(|| {
        unauthorized(
            "This sign-in was not begun in this browser, or more than 10 minutes ago. Sign in again.",
        )
    })?;
    let returned = SignInReturn::parse(query)
        .ok_or_else(|| unauthorized("The identity provider's answer cannot be read. Sign in again."))?;
    console.returns.take(begun.pending.state(), Instant::now()).map_err(|not| match not {
        NotTaken::Again => {
            unauthorized("This answer of the identity provider was used before. Sign in again.")
        }
        NotTaken::Full => Refused(StatusCode::SERVICE_UNAVAILABLE, TOO_MANY.to_owned()),
    })?;
    let account = console.redeem(&begun.pending, &returned).await.map_err(refused)?;
    let credential = Credential::Account(account);
    let access = console.caller(&credential, None).await.map_err(|error| match error {
        CallerError::Denied(denied) => refused(denied),
        CallerError::Failed(error) => Refused(
            StatusCode::SERVICE_UNAVAILABLE,
            format!("The vault cannot check who you are now: {error}."),
        ),
    })?;
    let next = if begun.next.is_empty() { "/console/sessions" } else { begun.next.as_str() };
    let main = html! {
        h1 { "Signed in" }
        p.lede { a href=(next) { "Continue to the console" } }
    };
    let first = page(StatusCode::OK, onward("Signed in", &main, next));
    begin_visit(console, access.name(), credential, first)
        .map_err(|Full| Refused(StatusCode::SERVICE_UNAVAILABLE, TOO_MANY.to_owned()))
}

/// What a person learns of a refusal.
fn refused(denied: Denied) -> Refused {
    match denied {
        Denied::Unavailable => Refused(
            StatusCode::SERVICE_UNAVAILABLE,
            "The identity provider cannot be reached, or does not let the vault ask it. Retry, or ask the vault's operator.".to_owned(),
        ),
        Denied::Forbidden(_) | Denied::Role(_) => Refused(
            StatusCode::FORBIDDEN,
            "You are signed in at the identity provider, and neither you nor a group of yours has access to this vault. Ask the vault's operator."
                .to_owned(),
        ),
        Denied::Missing | Denied::Malformed | Denied::Invalid(_) | Denied::Expired => {
            Refused(StatusCode::UNAUTHORIZED, format!("The identity provider's answer was refused: {denied}. Sign in again."))
        }
        _ => Refused(StatusCode::UNAUTHORIZED, "The identity provider's answer was refused. Sign in again.".to_owned()),
    }
}
