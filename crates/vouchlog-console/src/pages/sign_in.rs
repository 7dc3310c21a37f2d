//! Signing in, and the pages of what was done.

use std::sync::Arc;
use std::time::Instant;

use axum::Extension;
use axum::extract::{Path, Request, State};
use axum::response::Response;
use http::{HeaderMap, HeaderValue, StatusCode, header};
use maud::{Markup, PreEscaped, html};
use serde::Deserialize;
use url::form_urlencoded;
use vouchlog_access::limits::MAX_TOKEN_BYTES;
use vouchlog_desk::serve::CallerError;
use vouchlog_pages::{Icon, icon};
use vouchlog_server::Peer;
use vouchlog_session::plain;
use zeroize::Zeroizing;

use crate::console::Console;
use crate::form::Form;
use crate::frame::bare;
use crate::limits::MAX_NEXT_BYTES;
use crate::names::ProviderName;
use crate::respond::{page, redirect};
use crate::visitor::{FORM_TOKEN, PageResult, Visitor, cookie, cookie_name};
use crate::visits::{Credential, Full, is_same, random};

/// Where a browser goes after it has signed in.
#[derive(Deserialize, Default)]
pub(crate) struct Next {
    #[serde(default)]
    pub(super) next: String,
    /// Whether to show the form to a browser that has a certificate, too.
    #[serde(default)]
    pub(super) other: String,
}

/// A page of the console, and nowhere else: what follows is a path that every browser takes for one of this server.
pub(super) fn is_own(path: &str) -> bool {
    let is_plain = |c: u8| c.is_ascii_alphanumeric() || b"-_./?=&".contains(&c);
    path.starts_with("/console/")
        && !path.contains("//")
        && !path.contains("..")
        && path.bytes().all(is_plain)
}

/// The name of the cookie that goes with the form. Its value is in the form as well, so that no other site can sign a browser in.
const fn form_cookie(is_tls: bool) -> &'static str {
    if is_tls { "__Host-vouchlog-form" } else { "vouchlog-form" }
}

/// Has a browser keep a cookie. `more` is how it is sent and for how long.
pub(super) fn set_cookie(response: &mut Response, is_tls: bool, (name, value): (&str, &str), more: &str) {
    let secure = if is_tls { "; Secure" } else { "" };
    let cookie = HeaderValue::try_from(format!("{name}={value}; Path=/; HttpOnly{secure}; {more}"));
    if let Ok(mut cookie) = cookie {
        cookie.set_sensitive(true);
        response.headers_mut().append(header::SET_COOKIE, cookie);
    }
}

/// Begins a visit: the page that follows is the first of it.
pub(super) fn begin_visit(
    console: &Console,
    name: &str,
    credential: Credential,
    mut response: Response,
) -> Result<Response, Full> {
    let value = console.visits.begin(name, credential, Instant::now())?;
    let is_tls = console.config.is_tls;
    set_cookie(&mut response, is_tls, (cookie_name(is_tls), &value), OWN_PAGES);
    Ok(response)
}

/// A cookie goes with requests of the console's own pages alone.
const OWN_PAGES: &str = "SameSite=Strict";

/// What is shown of [`Full`].
pub(super) const TOO_MANY: &str = "As many people are signed in as may be. Retry later.";

/// The page on which one signs in, with what was wrong.
pub(super) fn form(
    console: &Console,
    headers: &HeaderMap,
    status: StatusCode,
    next: &str,
    why_not: Option<&str>,
) -> Response {
    let is_tls = console.config.is_tls;
    let known = cookie(headers, form_cookie(is_tls)).filter(|value| value.len() == random_length());
    let token = known.map_or_else(random, str::to_owned);
    let next = if is_own(next) { next } else { "" };
    let places = places(console, next);
    let is_alone = places.is_none();
    let main = html! {
        h1 { "Sign in" }
        p.lede { "The console of the vault whose records are logged in " code { (console.config.log.name()) } "." }
        @if let Some(why) = why_not {
            div.note.warn.sec-t role="alert" { (icon(Icon::Warn)) span { (why) } }
        }
        @if let Some(places) = places {
            (places)
            div.sec-t { h2.sec-h { "With a token" } }
        }
        form.panel.pad.sec-t[is_alone] method="post" action="/console/sign-in" {
            input type="hidden" name=(FORM_TOKEN) value=(token);
            input type="hidden" name="next" value=(next);
            div {
                label.l for="token" { "Token" }
                input #token type="password" name="token" required autocomplete="current-password" maxlength=(MAX_TOKEN_BYTES)
                    aria-describedby="token-help" autofocus[is_alone];
                p.s.soft #token-help {
                    "A token of this vault, or one of the identity provider that the vault's operator configured. It is kept until you sign out, "
                    "after 30 minutes without a request, or after 8 hours."
                }
            }
            div { button.btn.main-act[is_alone] type="submit" { "Sign in" } }
        }
        @if !next.is_empty() {
            p.s.soft.sec-t {
                "You followed a link from elsewhere. If you are signed in already, "
                a href=(next) { "open it again" } "."
            }
        }
        section.sec-t.s.soft aria-label="What signing in records" {
            p {
                "Finding sessions and records is not logged. Reading content, disclosing, holding and erasing are: each is a record in the log, with your name."
            }
        }
    };
    let mut response = page(status, bare("Sign in", &main));
    set_cookie(&mut response, is_tls, (form_cookie(is_tls), &token), OWN_PAGES);
    response
}

/// The identity providers at which one can sign in, if there are any.
fn places(console: &Console, next: &str) -> Option<Markup> {
    let places = console.service.callers().sign_in_places();
    let next = Some(next).filter(|next| !next.is_empty() && next.len() <= MAX_NEXT_BYTES);
    let query: String = next.map_or_else(String::new, |next| {
        format!("?next={}", form_urlencoded::byte_serialize(next.as_bytes()).collect::<String>())
    });
    (!places.is_empty()).then(|| {
        html! {
            div.panel.pad.stack.sec-t {
                @for place in &places {
                    @let handle = console.handles.of(&ProviderName(place.issuer.clone()));
                    a.btn.main-act href={ "/console/sign-in/at/" (handle) (query) } { (icon(Icon::Person)) "Sign in with " (plain(&place.name)) }
                }
                p.s.soft {
                    "You are sent to your identity provider and back. You are signed in for an hour at most, or 30 minutes without a request."
                }
            }
        }
    })
}

fn random_length() -> usize {
    // 32 bytes in base64url.
    43
}

/// Signs in.
pub(crate) async fn enter(
    State(console): State<Arc<Console>>,
    peer: Option<Extension<Peer>>,
    request: Request,
) -> Response {
    let (parts, body) = request.into_parts();
    let refuse =
        |status: StatusCode, next: &str, why: &str| form(&console, &parts.headers, status, next, Some(why));
    let Some(form) = Form::read(&parts.headers, body).await else {
        return refuse(StatusCode::BAD_REQUEST, "", "This is not the form, or it is too long.");
    };
    let (next, is_tls) = (form.get("next"), console.config.is_tls);
    let of_form = cookie(&parts.headers, form_cookie(is_tls)).unwrap_or_default();
    if of_form.is_empty() || !is_same(of_form, form.get(FORM_TOKEN)) {
        return refuse(
            StatusCode::FORBIDDEN,
            next,
            "Your browser did not send the cookie of this form. Allow cookies, and send it again.",
        );
    }
    let from = peer.map(|Extension(peer)| peer.address.ip());
    if !console.attempts.may_try(from, Instant::now()) {
        return refuse(
            StatusCode::TOO_MANY_REQUESTS,
            next,
            "Too many failed sign-ins from your address. Wait a minute.",
        );
    }
    let token = Zeroizing::new(form.get("token").to_owned());
    let credential = Credential::Token(token);
    let access = match console.caller(&credential, None).await {
        Ok(access) => access,
        Err(CallerError::Denied(denied)) if !denied.is_passing() => {
            console.attempts.failed(from, Instant::now());
            return refuse(
                StatusCode::UNAUTHORIZED,
                next,
                "This token does not open this vault. Check that it is whole and has not expired or been revoked.",
            );
        }
        Err(error) => {
            return refuse(
                StatusCode::SERVICE_UNAVAILABLE,
                next,
                &format!("The token cannot be checked now: {error}."),
            );
        }
    };
    let first = redirect(if is_own(next) { next } else { "/console/sessions" });
    begin_visit(&console, access.name(), credential, first)
        .unwrap_or_else(|Full| refuse(StatusCode::SERVICE_UNAVAILABLE, next, TOO_MANY))
}

/// What was done.
pub(crate) async fn done(visitor: Visitor, Path(number): Path<String>) -> PageResult {
    let number = number.parse().unwrap_or(u64::MAX);
    let outcome = visitor.outcome(number)?;
    let main: Markup = html! {
        div.head { div { h1 { (outcome.title) } } }
        // It was escaped when it was made.
        (PreEscaped(&outcome.html))
        @if outcome.letter.is_some() {
            section aria-labelledby="h-letter" {
                h2.sec-h #h-letter { "Letter to the person" }
                p { "What was held, what was erased, and what remains. It is kept until you sign out, and cannot be made again: save it now." }
                div.acts.sec-t {
                    a.btn href={ "/console/done/" (number) "/letter.html" } { (icon(Icon::File)) "Read the letter" }
                    a.btn href={ "/console/done/" (number) "/letter.txt" } { (icon(Icon::File)) "Download as text" }
                }
            }
        }
    };
    Ok(page(StatusCode::OK, visitor.framed(None, &outcome.title, &main)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_browser_is_sent_to_the_console_and_nowhere_else() {
        for own in ["/console/sessions", "/console/session/abc-_9?page=2", "/console/done/1/letter.html"] {
            assert!(is_own(own), "{own}");
        }
        for other in [
            "",
            "/",
            "//evil.example",
            "/console//evil.example",
            "https://evil.example",
            "/console/../x",
            "/console/\\evil",
            "/console/%2f",
            "/console/x\r\nset-cookie: a=b",
            "/consolex",
            "javascript:alert(1)",
        ] {
            assert!(!is_own(other), "{other}");
        }
    }

    #[test]
    fn the_cookie_is_for_this_host_over_tls_only() {
        let mut response = redirect("/console/sessions");
        set_cookie(&mut response, true, (cookie_name(true), "x"), OWN_PAGES);
        let cookie = response.headers()[header::SET_COOKIE].to_str().unwrap();
        assert_eq!(cookie, "__Host-vouchlog=x; Path=/; HttpOnly; Secure; SameSite=Strict");
        assert_eq!(random().len(), random_length());
    }
}
