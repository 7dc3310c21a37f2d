//! A signed-in browser's request: whose it is, and what it may ask.

use std::sync::Arc;
use std::time::Instant;

use axum::extract::{FromRequest, FromRequestParts, Request};
use axum::response::{IntoResponse, Response};
use http::request::Parts;
use http::{HeaderMap, Method, StatusCode, header};
use maud::{Markup, html};
use url::form_urlencoded;
use vouchlog_access::CertificateNames;
use vouchlog_api::{Error, ErrorKind};
use vouchlog_desk::Ask;
use vouchlog_desk::serve::CallerError;
use vouchlog_pages::{Icon, icon};
use vouchlog_session::plain;
use vouchlog_vault::Access;

use crate::console::Console;
use crate::form::Form;
use crate::frame::{Area, Signed, bare, framed};
use crate::handles::Named;
use crate::respond::{page, redirect};
use crate::visits::{Credential, Outcome, Visit, is_same};

/// The name of the field that every form has.
pub(crate) const FORM_TOKEN: &str = "form";

/// Who sent a request, and the console.
pub(crate) struct Visitor {
    pub(crate) console: Arc<Console>,
    pub(crate) access: Access,
    visit: Arc<Visit>,
}

/// A form that a visitor sent.
pub(crate) struct Posted {
    pub(crate) visitor: Visitor,
    pub(crate) form: Form,
}

/// A page that states why there is no other.
#[derive(Debug)]
pub(crate) struct Failed(Box<Response>);

/// What a handler answers.
pub(crate) type PageResult = Result<Response, Failed>;

impl IntoResponse for Failed {
    fn into_response(self) -> Response {
        *self.0
    }
}

/// The name of the cookie. With TLS no other host, and no page without TLS, can set one of this name.
pub(crate) const fn cookie_name(is_tls: bool) -> &'static str {
    if is_tls { "__Host-vouchlog" } else { "vouchlog" }
}

/// The value of the one cookie of this name; none if there are two, because another page may have set one of them.
pub(crate) fn cookie<'h>(headers: &'h HeaderMap, name: &str) -> Option<&'h str> {
    let lines = headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
    let pairs = lines.flat_map(|line| line.split(';')).filter_map(|pair| pair.trim().split_once('='));
    let mut values = pairs.filter(|(key, _)| *key == name).map(|(_, value)| value);
    let (value, None) = (values.next()?, values.next()) else { return None };
    Some(value)
}

impl FromRequestParts<Arc<Console>> for Visitor {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, console: &Arc<Console>) -> Result<Self, Response> {
        let name = cookie_name(console.config.is_tls);
        let visit = cookie(&parts.headers, name).and_then(|it| console.visits.find(it, Instant::now()));
        let Some(visit) = visit else { return Err(to_sign_in(parts)) };
        let certificate = parts.extensions.get::<CertificateNames>();
        match console.caller(visit.credential(), certificate).await {
            Ok(access)
                if matches!(visit.credential(), Credential::Certificate) && !visit.is_of(access.name()) =>
            {
                console.visits.end(&visit);
                Err(to_sign_in(parts))
            }
            Ok(access) => Ok(Self { console: Arc::clone(console), access, visit }),
            Err(CallerError::Denied(denied)) if !denied.is_passing() => {
                console.visits.end(&visit);
                Err(to_sign_in(parts))
            }
            Err(error) => {
                let why = html! {
                    h1 { "The vault cannot check who you are" }
                    p.lede { (error) }
                    p.sec-t { a href=(parts.uri.path()) { "Retry" } }
                };
                Err(page(StatusCode::SERVICE_UNAVAILABLE, bare("Not now", &why)))
            }
        }
    }
}

/// To sign in, and then back.
fn to_sign_in(parts: &Parts) -> Response {
    let path = parts.uri.path_and_query().map_or("", |path| path.as_str());
    if parts.method != Method::GET || path == "/console/sessions" {
        return redirect("/console/sign-in");
    }
    let next: String = form_urlencoded::byte_serialize(path.as_bytes()).collect();
    redirect(&format!("/console/sign-in?next={next}"))
}

impl FromRequest<Arc<Console>> for Posted {
    type Rejection = Response;

    async fn from_request(request: Request, console: &Arc<Console>) -> Result<Self, Response> {
        let (mut parts, body) = request.into_parts();
        let visitor = Visitor::from_request_parts(&mut parts, console).await?;
        let Some(form) = Form::read(&parts.headers, body).await else {
            let error = Error::invalid("this is not a form of the console, or it is too long");
            return Err(visitor.failed(&error).into_response());
        };
        // The server has refused what a page of another site sent; this refuses what a browser does not tell apart.
        if !is_same(form.get(FORM_TOKEN), visitor.visit.csrf()) {
            let error = Error::new(
                ErrorKind::PermissionDenied,
                "the form is not of your current visit, so nothing was done: open the page again and repeat",
            );
            return Err(visitor.failed(&error).into_response());
        }
        Ok(Self { visitor, form })
    }
}

impl Visitor {
    /// Asks the vault.
    pub(crate) async fn ask<A: Ask>(&self, ask: A) -> Result<A::Answer, Failed> {
        let answer = self.console.service.ask(self.access.clone(), ask).await;
        answer.map_err(|error| self.failed(&error))
    }

    /// What a handle names, if it is not of another tenant.
    pub(crate) fn open<T: Named>(&self, handle: &str) -> Result<T, Failed> {
        let named = self.console.handles.open(handle);
        let named = named.filter(|named: &T| {
            named.tenant().is_none_or(|tenant| self.access.require_tenant(tenant).is_ok())
        });
        named.ok_or_else(|| {
            self.failed(&Error::not_found(
                "this link names nothing here. Links work until the server is restarted: find the session or the record again",
            ))
        })
    }

    /// The handle of something.
    pub(crate) fn handle<T: Named>(&self, named: &T) -> String {
        self.console.handles.of(named)
    }

    /// A page of a part of the console.
    pub(crate) fn page(&self, here: Area, title: &str, main: &Markup) -> Response {
        page(StatusCode::OK, self.framed(Some(here), title, main))
    }

    /// A page in its frame.
    pub(crate) fn framed(&self, here: Option<Area>, title: &str, main: &Markup) -> Markup {
        let log = self.console.config.log.name().to_string();
        framed(&Signed { access: &self.access, form_token: self.form_token(), log }, here, title, main)
    }

    /// A page that states why something was not done.
    pub(crate) fn failed(&self, error: &Error) -> Failed {
        let (status, heading) = match error.kind {
            ErrorKind::InvalidArgument => (StatusCode::BAD_REQUEST, "This cannot be done as it was entered"),
            ErrorKind::NotFound => (StatusCode::NOT_FOUND, "Not found"),
            ErrorKind::PermissionDenied => (StatusCode::FORBIDDEN, "Not allowed"),
            ErrorKind::FailedPrecondition | ErrorKind::Conflict { .. } => {
                (StatusCode::CONFLICT, "The vault refused this")
            }
            ErrorKind::Overloaded { .. } | ErrorKind::Unavailable => {
                (StatusCode::SERVICE_UNAVAILABLE, "The vault cannot do this now")
            }
            _ => (StatusCode::INTERNAL_SERVER_ERROR, "The vault's server failed"),
        };
        let main = html! {
            h1 { (heading) }
            div.note.warn.sec-t role="alert" { (icon(Icon::Warn)) span { (plain(&error.message)) } }
            p.sec-t { a href="/console/sessions" { "Sessions" } }
        };
        Failed(Box::new(page(status, self.framed(None, heading, &main))))
    }

    /// What every form has.
    pub(crate) fn form_token(&self) -> Markup {
        html! { input type="hidden" name=(FORM_TOKEN) value=(self.visit.csrf()); }
    }

    /// Keeps what was done, and sends the browser to it.
    pub(crate) fn done(&self, outcome: Outcome) -> Response {
        let number = self.console.visits.keep(&self.visit, outcome);
        redirect(&format!("/console/done/{number}"))
    }

    /// What was done earlier in this visit.
    pub(crate) fn outcome(&self, number: u64) -> Result<Arc<Outcome>, Failed> {
        self.console.visits.outcome(&self.visit, number).ok_or_else(|| {
            self.failed(&Error::not_found(
                "this result is no longer kept: results go with the visit in which they were made",
            ))
        })
    }

    /// What the visit was begun with.
    pub(crate) fn credential(&self) -> &Credential {
        self.visit.credential()
    }

    /// Ends the visit.
    pub(crate) fn leave(&self) {
        self.console.visits.end(&self.visit);
    }

    /// The tenant that a form names; of a caller of one tenant, always that.
    pub(crate) fn tenant(&self, form: &Form) -> Option<String> {
        self.access.tenant().map(str::to_owned).or_else(|| form.entered("tenant"))
    }

    /// The same where one has to be named.
    pub(crate) fn one_tenant(&self, form: &Form) -> Result<String, Failed> {
        self.tenant(form)
            .ok_or_else(|| self.failed(&Error::invalid("name the tenant whose records are meant")))
    }

    /// The field in which a caller of every tenant names one.
    pub(crate) fn tenant_field(&self, id: &str, value: &str, is_required: bool) -> Markup {
        html! {
            @if self.access.tenant().is_none() {
                div {
                    label.l for=(id) { "Tenant" }
                    input id=(id) name="tenant" value=(value) required[is_required] autocomplete="off" maxlength="256";
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[test]
    fn a_cookie_counts_only_if_there_is_one() {
        let headers = |lines: &[&'static str]| {
            let values = lines.iter().map(|line| (header::COOKIE, HeaderValue::from_static(line)));
            HeaderMap::from_iter(values)
        };
        assert_eq!(cookie(&headers(&["a=1; vouchlog=x; b=2"]), "vouchlog"), Some("x"));
        assert_eq!(cookie(&headers(&["a=1", "vouchlog=x"]), "vouchlog"), Some("x"));
        for other in
            [&["a=1"][..], &["xvouchlog=x"], &["vouchlog=x; vouchlog=y"], &["vouchlog=x", "vouchlog=y"], &[]]
        {
            assert_eq!(cookie(&headers(other), "vouchlog"), None, "{other:?}");
        }
    }
}
