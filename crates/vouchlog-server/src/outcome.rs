//! How a request ended: recorded in its span, and logged if it failed.
//!
//! | the error is | level | why |
//! | --- | --- | --- |
//! | the server's fault (`INTERNAL`) | warn, with its sentence | the caller is asked to quote the request id |
//! | pushback, or something that is not there (`OVERLOADED`, `NOT_FOUND`) | debug | normal, and as many as there are requests |
//! | any other | info | the caller may ask why |
//!
//! A sentence about a wrong request may repeat what was sent, so it never reaches the log.

use axum::response::Response;
use http::StatusCode;
use tonic::{Code, Status};
use tracing::Span;
use vouchlog_proto::reason;

use crate::problem::Reason;

/// An HTTP request was answered. A response without a [`Reason`] is that of a readiness check, or of a program's own routes.
pub(crate) fn of_http(span: &Span, response: &Response) {
    span.record("http.response.status_code", response.status().as_u16());
    let status = response.status().as_u16();
    let Some(Reason { code, detail }) = response.extensions().get() else {
        if status >= 400 {
            span.record("error.type", status.to_string());
            tracing::debug!(status, "a request was rejected");
        }
        return;
    };
    span.record("error.type", code);
    match *code {
        reason::INTERNAL => tracing::warn!(status, detail, "a request failed"),
        _ if response.status() == StatusCode::INTERNAL_SERVER_ERROR => {
            tracing::warn!(status, code, "a request failed");
        }
        reason::OVERLOADED | reason::NOT_FOUND => tracing::debug!(status, code, "a request was rejected"),
        _ => tracing::info!(status, code, "a request was rejected"),
    }
}

/// An RPC has its status.
pub(crate) fn of_rpc(span: &Span, status: &Status) {
    span.record("rpc.grpc.status_code", i32::from(status.code()));
    let code = match status.code() {
        Code::Ok => return,
        code => format!("{code:?}"),
    };
    span.record("error.type", code.as_str());
    span.in_scope(|| match status.code() {
        Code::Internal | Code::Unknown => tracing::warn!(code, detail = status.message(), "an RPC failed"),
        Code::ResourceExhausted | Code::NotFound => tracing::debug!(code, "an RPC was rejected"),
        _ => tracing::info!(code, "an RPC was rejected"),
    });
}
