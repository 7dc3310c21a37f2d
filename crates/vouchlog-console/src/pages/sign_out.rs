//! Signing out: here, and at the identity provider if the access file has a way back from there.
//!
//! ```text
//! POST /console/sign-out ─► visit ends ─► page ─► the provider asks ─► /console/sign-out/return?state ─► cookie of this browser
//! ```
//!
//! The visit is over before the browser leaves. What the person chooses at the provider stays there: it sends both answers back alike.

use std::sync::Arc;

use axum::extract::{Query, State};
use axum::response::Response;
use http::{HeaderMap, StatusCode};
use maud::html;
use serde::Deserialize;
use vouchlog_access::PendingSignOut;
use vouchlog_session::plain;

use super::provider::{FORGOTTEN, FROM_PROVIDER};
use super::sign_in::set_cookie;
use crate::console::Console;
use crate::frame::{bare, onward};
use crate::names::BegunSignOut;
use crate::respond::{page, redirect};
use crate::visitor::{Posted, cookie, cookie_name};
use crate::visits::{Credential, is_same};

/// What a provider sends a browser back with.
#[derive(Deserialize)]
pub(crate) struct SignOutReturn {
    #[serde(default)]
    state: String,
}

/// Where one signs in by hand, also with a browser that has a certificate.
const FORM: &str = "/console/sign-in?other=1";

/// The name of the cookie that a sign-out waits in.
const fn begun_cookie(is_tls: bool) -> &'static str {
    if is_tls { "__Host-vouchlog-left" } else { "vouchlog-left" }
}

/// Signs out.
pub(crate) async fn leave(Posted { visitor, .. }: Posted) -> Response {
    visitor.leave();
    let console = &visitor.console;
    let is_tls = console.config.is_tls;
    let mut response = match visitor.credential() {
        Credential::Token(_) => redirect(FORM),
        Credential::Account(account) => match console.sign_out_at_provider(account).await {
            Some(begun) => to_provider(console, begun),
            None => redirect(FORM),
        },
        // The page on which one signs in would sign the browser in again.
        Credential::Certificate => {
            let main = html! {
                h1 { "Signed out of the console" }
                p.lede { "Your browser has a certificate that signs you in without a form." }
                p.sec-t { a href="/console/sign-in" { "Sign in again" } }
                p { a href=(FORM) { "Sign in otherwise" } }
            };
            page(StatusCode::OK, bare("Signed out", &main))
        }
    };
    set_cookie(&mut response, is_tls, (cookie_name(is_tls), ""), "SameSite=Strict; Max-Age=0");
    response
}

/// Sends a browser to the provider. Not by a redirect: that would still be the form's, which leads to pages of ours alone.
fn to_provider(console: &Console, begun: PendingSignOut) -> Response {
    let PendingSignOut { url, state, provider } = begun;
    let main = html! {
        h1 { "Signed out of the console" }
        p.lede { a href=(url) { "Sign out at " (plain(&provider)) ", too" } }
    };
    let mut response = page(StatusCode::OK, onward("Signed out", &main, &url));
    let (is_tls, begun) = (console.config.is_tls, console.handles.of(&BegunSignOut { state, provider }));
    set_cookie(&mut response, is_tls, (begun_cookie(is_tls), &begun), FROM_PROVIDER);
    response
}

/// Takes a browser back from the provider at which it was to sign out.
pub(crate) async fn come_back(
    State(console): State<Arc<Console>>,
    headers: HeaderMap,
    Query(SignOutReturn { state }): Query<SignOutReturn>,
) -> Response {
    let is_tls = console.config.is_tls;
    let begun = cookie(&headers, begun_cookie(is_tls));
    let begun = begun.and_then(|sealed| console.handles.open::<BegunSignOut>(sealed));
    let Some(begun) = begun.filter(|begun| is_same(&begun.state, &state)) else {
        return redirect("/console/sign-in");
    };
    let main = html! {
        h1 { "Signed out of the console" }
        p.lede { "Whether you are also signed out at " (plain(&begun.provider)) " is what you chose there." }
        p.sec-t { a href="/console/sign-in" { "Sign in again" } }
    };
    let mut response = page(StatusCode::OK, bare("Signed out", &main));
    set_cookie(&mut response, is_tls, (begun_cookie(is_tls), ""), FORGOTTEN);
    response
}
