//! The routes of the console, and what all of them share.
//!
//! Reading is GET, everything else POST; after a POST that changed something the browser is sent to a page of what was done, so that
//! reloading it repeats nothing. Signing in at an identity provider is GET, too, as it comes back by a redirect, and so is signing in with a
//! client certificate, which takes no form. Names are in forms and in handles, never in a path or a query.

use std::sync::Arc;

use axum::Router;
use axum::middleware::map_response;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use http::{HeaderValue, header};
use vouchlog_access::{RETURN_PATH, SIGNED_OUT_PATH};
use vouchlog_desk::serve::Service;

use crate::console::{Console, ConsoleConfig};
use crate::frame::{STYLE, STYLE_PATH};
use crate::pages::{
    cases, certificate, disclose, disclosures, duties, erase, export, findings, holds, identities, provider,
    record, searches, session, session_cases, sessions, sign_in, sign_out, sources,
};
use crate::respond::{guarded, redirect};

/// The pages of the console, to be served beside the routes of the vault.
pub fn router(service: Arc<Service>, config: ConsoleConfig) -> Router {
    let console = Arc::new(Console::new(service, config));
    Router::new()
        .route("/", get(|| async { redirect("/console/sessions") }))
        .route("/console", get(|| async { redirect("/console/sessions") }))
        .route("/console/", get(|| async { redirect("/console/sessions") }))
        .route(&STYLE_PATH, get(style))
        .route("/console/sign-in", get(certificate::show).post(sign_in::enter))
        .route("/console/sign-in/certificate", get(certificate::arrive))
        .route("/console/sign-in/at/{provider}", get(provider::begin))
        .route(RETURN_PATH, get(provider::come_back))
        .route("/console/sign-out", post(sign_out::leave))
        .route(SIGNED_OUT_PATH, get(sign_out::come_back))
        .route("/console/sessions", get(sessions::first).post(sessions::search))
        .route("/console/sessions/{search}", get(sessions::page))
        .route("/console/searches", post(searches::save))
        .route("/console/searches/delete", post(searches::delete))
        .route("/console/session/{session}", get(session::show))
        .route("/console/session/{session}/disclose", get(disclose::session).post(disclose::give_session))
        .route("/console/session/{session}/hold", get(holds::of_session))
        .route("/console/record/{record}", get(record::show).post(record::read_content))
        .route("/console/record/{record}/proof", get(record::proof))
        .route("/console/record/{record}/disclose", get(disclose::record).post(disclose::give_record))
        .route("/console/findings", get(findings::first).post(findings::search))
        .route("/console/findings/{search}", get(findings::page))
        .route("/console/decisions", post(findings::decided))
        .route("/console/identities", get(identities::first).post(identities::find))
        .route("/console/identities/{search}", get(identities::page))
        .route("/console/identity/{identity}", get(identities::show))
        .route("/console/session/{session}/case", get(session_cases::show).post(session_cases::add))
        .route("/console/cases", get(cases::first).post(cases::open))
        .route("/console/cases/{search}", get(cases::page))
        .route("/console/case/{case}", get(cases::show).post(cases::change))
        .route("/console/sources", get(sources::first).post(sources::choose))
        .route("/console/sources/{search}", get(sources::page))
        .route("/console/disclosures", get(disclosures::first))
        .route("/console/disclosures/{search}", get(disclosures::page))
        .route("/console/export", post(export::export))
        .route("/console/holds", get(holds::list).post(holds::place))
        .route("/console/holds/lift", post(holds::lift))
        .route("/console/erase", get(erase::begin).post(erase::plan))
        .route("/console/erase/{erasing}", get(erase::planned).post(erase::carry_out))
        .route("/console/duties", get(duties::show))
        .route("/console/done/{number}", get(sign_in::done))
        .route("/console/done/{number}/letter.html", get(erase::letter_page))
        .route("/console/done/{number}/letter.txt", get(erase::letter_text))
        .layer(map_response(guarded))
        .with_state(console)
}

async fn style() -> Response {
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static("text/css; charset=utf-8")),
        // Its path changes with it.
        (header::CACHE_CONTROL, HeaderValue::from_static("public, max-age=31536000, immutable")),
    ];
    (headers, STYLE.as_str()).into_response()
}
