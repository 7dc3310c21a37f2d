//! Signing in and out, and the pages of what was done.

use std::sync::Arc;
use std::time::Instant;

use axum::Extension;
use axum::extract::{Path, Query, Request, State};
use axum::response::Response;
use http::{HeaderMap, HeaderValue, StatusCode, header};
use maud::{Markup, PreEscaped, html};
use serde::Deserialize;
use vouchlog_access::limits::MAX_TOKEN_BYTES;
use vouchlog_desk::serve::CallerError;
use vouchlog_pages::{Icon, icon};
use vouchlog_server::Peer;
use zeroize::Zeroizing;

use crate::console::Console;
use crate::form::Form;
use crate::frame::bare;
use crate::respond::{page, redirect};
use crate::visitor::{FORM_TOKEN, PageResult, Posted, Visitor, cookie, cookie_name};
use crate::visits::{Full, is_same, random};

/// Where a browser goes after it has signed in.
#[derive(Deserialize, Default)]
pub(crate) struct Next {
    #[serde(default)]
    next: String,
}

/// A page of the console, and nowhere else: what follows is a path that every browser takes for one of this server.
fn is_own(path: &str) -> bool {
    let is_plain = |c: u8| c.is_ascii_alphanumeric() || b"-_./?=&".contains(&c);
    path.starts_with("/console/")
        && !path.contains("//")
        && !path.contains("..")
        && path.bytes().all(is_plain)
}

/// The form.
pub(crate) async fn show(
    State(console): State<Arc<Console>>,
    headers: HeaderMap,
    Query(Next { next }): Query<Next>,
) -> Response {
    form(&console, &headers, StatusCode::OK, &next, None)
}

/// The name of the cookie that goes with the form. Its value is in the form as well, so that no other site can sign a browser in.
const fn form_cookie(is_tls: bool) -> &'static str {
    if is_tls { "__Host-vouchlog-form" } else { "vouchlog-form" }
}

fn set_cookie(is_tls: bool, name: &str, value: &str, more: &str) -> Option<HeaderValue> {
    let secure = if is_tls { "; Secure" } else { "" };
    let mut cookie =
        HeaderValue::try_from(format!("{name}={value}; Path=/; HttpOnly; SameSite=Strict{secure}{more}"))
            .ok()?;
    cookie.set_sensitive(true);
    Some(cookie)
}

fn form(
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
    let main = html! {
        h1 { "Sign in" }
        p.lede { "The console of the vault whose records are logged in " code { (console.config.log.name()) } "." }
        @if let Some(why) = why_not {
            div.note.warn.sec-t role="alert" { (icon(Icon::Warn)) span { (why) } }
        }
        form.panel.pad.sec-t method="post" action="/console/sign-in" {
            input type="hidden" name=(FORM_TOKEN) value=(token);
            input type="hidden" name="next" value=(next);
            div {
                label.l for="token" { "Token" }
                input #token type="password" name="token" required autocomplete="current-password" maxlength=(MAX_TOKEN_BYTES)
                    aria-describedby="token-help" autofocus;
                p.s.soft #token-help {
                    "A token of this vault, or one of the identity provider that the vault's operator configured. It is kept until you sign out, "
                    "after 30 minutes without a request, or after 8 hours."
                }
            }
            div { button.btn.main-act type="submit" { "Sign in" } }
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
    if let Some(cookie) = set_cookie(is_tls, form_cookie(is_tls), &token, "") {
        response.headers_mut().append(header::SET_COOKIE, cookie);
    }
    response
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
    let access = match console.caller(&token).await {
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
    match console.visits.begin(access.name(), token, Instant::now()) {
        Ok(value) => {
            let mut response = redirect(if is_own(next) { next } else { "/console/sessions" });
            if let Some(cookie) = set_cookie(is_tls, cookie_name(is_tls), &value, "") {
                response.headers_mut().append(header::SET_COOKIE, cookie);
            }
            response
        }
        Err(Full) => refuse(
            StatusCode::SERVICE_UNAVAILABLE,
            next,
            "As many people are signed in as may be. Retry later.",
        ),
    }
}

/// Signs out.
pub(crate) async fn leave(Posted { visitor, .. }: Posted) -> Response {
    visitor.leave();
    let is_tls = visitor.console.config.is_tls;
    let mut response = redirect("/console/sign-in");
    if let Some(cookie) = set_cookie(is_tls, cookie_name(is_tls), "", "; Max-Age=0") {
        response.headers_mut().append(header::SET_COOKIE, cookie);
    }
    response
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
        let cookie = set_cookie(true, cookie_name(true), "x", "").unwrap();
        assert_eq!(cookie.to_str().unwrap(), "__Host-vouchlog=x; Path=/; HttpOnly; SameSite=Strict; Secure");
        assert_eq!(random().len(), random_length());
    }
}
