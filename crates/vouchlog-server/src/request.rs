//! Who asks: the id of a request, the trace it belongs to, and its span.
//!
//! | field | from |
//! | --- | --- |
//! | `request_id` | a valid `x-request-id`, else the trace id |
//! | `trace_id` | a valid W3C `traceparent`, else random |
//! | `parent_span_id` | `traceparent` alone |
//!
//! Every response carries the id in `x-request-id`, every error carries it in its details, and every log line of the request shows
//! it: a caller quotes it, and the operator finds the lines.

use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use http::{HeaderMap, HeaderName, HeaderValue};
use tracing::Span;
use tracing::field::Empty;
use vouchlog_proto::reason::FORWARDED;

use crate::limits::MAX_REQUEST_ID_BYTES;

/// The header that carries a request's id, in both directions.
pub(crate) const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");

/// Whether another node of the log passed the request on.
pub(crate) fn is_forwarded(headers: &HeaderMap) -> bool {
    const NAME: HeaderName = HeaderName::from_static(FORWARDED);
    headers.contains_key(NAME)
}

/// Makes trace ids: unpredictable enough to be unique, and without a system call for each.
pub(crate) struct Ids {
    keys: RandomState,
    next: AtomicU64,
}

impl Ids {
    pub(crate) fn new() -> Self {
        Self { keys: RandomState::new(), next: AtomicU64::new(0) }
    }

    /// 32 hex digits, not all zero.
    fn trace_id(&self) -> String {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let high = self.keys.hash_one((number, "high")).max(1);
        format!("{high:016x}{:016x}", self.keys.hash_one((number, "low")))
    }
}

/// What an HTTP request asks for, as its span has it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RequestTarget<'a> {
    pub(crate) method: &'static str,
    pub(crate) route: Option<&'a str>,
}

/// Who sent a request, as far as its headers tell.
#[derive(Clone, Debug)]
pub(crate) struct Caller {
    id: Arc<str>,
    trace: Trace,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Trace {
    id: String,
    /// The caller's own span, and whether the caller samples the trace.
    parent: Option<(String, bool)>,
}

impl Caller {
    /// Reads the headers. A header that breaks a rule counts as absent: a request does not fail over its id.
    pub(crate) fn of(headers: &HeaderMap, ids: &Ids) -> Self {
        let trace = headers.get(TRACEPARENT).and_then(|value| traceparent(value.as_bytes()));
        let trace = trace.unwrap_or_else(|| Trace { id: ids.trace_id(), parent: None });
        let id = headers.get(REQUEST_ID).and_then(|value| request_id(value.as_bytes()));
        Self { id: id.unwrap_or(&trace.id).into(), trace }
    }

    /// The span of the request. Fields that are known later are declared empty. Of an RPC, `asked` is known later.
    pub(crate) fn span(&self, asked: Option<RequestTarget<'_>>) -> Span {
        let parent = self.trace.parent.as_ref();
        tracing::info_span!(
            "request",
            request_id = &*self.id,
            trace_id = self.trace.id,
            parent_span_id = parent.map(|(span, _)| span.as_str()),
            // Only said of a trace that its caller does not sample.
            sampled = parent.and_then(|(_, is_sampled)| (!is_sampled).then_some(false)),
            // Given at once: each field that is recorded later is formatted by itself.
            http.request.method = asked.map(|asked| asked.method),
            http.route = asked.and_then(|asked| asked.route),
            http.response.status_code = Empty,
            rpc.system = Empty,
            rpc.service = Empty,
            rpc.method = Empty,
            rpc.grpc.status_code = Empty,
            error.type = Empty,
        )
    }

    /// What the response carries.
    pub(crate) fn header(&self) -> HeaderValue {
        HeaderValue::from_str(&self.id).expect("an id is visible ASCII")
    }

    /// The id, for [`vouchlog_runtime::request_id`].
    pub(crate) fn id(&self) -> Arc<str> {
        Arc::clone(&self.id)
    }
}

/// An id that may go into logs, headers and errors: letters, digits and `-_.:=+/`, as UUIDs and the ids of common proxies have.
fn request_id(value: &[u8]) -> Option<&str> {
    let is_allowed = |byte: &u8| byte.is_ascii_alphanumeric() || b"-_.:=+/".contains(byte);
    let is_valid = (1..=MAX_REQUEST_ID_BYTES).contains(&value.len()) && value.iter().all(is_allowed);
    std::str::from_utf8(value).ok().filter(|_| is_valid)
}

/// SPEC: W3C Trace Context, section 3.2: version, trace id, parent id and flags, in lowercase hex; ids of zeros are invalid, version
/// ff is forbidden, and a later version may append fields.
fn traceparent(value: &[u8]) -> Option<Trace> {
    let value = std::str::from_utf8(value).ok()?;
    let mut parts = value.splitn(5, '-');
    let mut hex = |digits: usize| {
        let part = parts.next()?;
        let is_hex = part.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        (part.len() == digits && is_hex).then_some(part)
    };
    let (version, id, span, flags) = (hex(2)?, hex(32)?, hex(16)?, hex(2)?);
    let has_more = parts.next().is_some();
    let is_zero = |id: &str| id.bytes().all(|digit| digit == b'0');
    if version == "ff" || (version == "00" && has_more) || is_zero(id) || is_zero(span) {
        return None;
    }
    let is_sampled = u8::from_str_radix(flags, 16).ok()? & 1 == 1;
    Some(Trace { id: id.to_owned(), parent: Some((span.to_owned(), is_sampled)) })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
    const SPAN: &str = "00f067aa0ba902b7";

    fn caller(headers: &[(HeaderName, &str)]) -> Caller {
        let value = |value: &str| HeaderValue::from_bytes(value.as_bytes()).unwrap();
        let headers = headers.iter().map(|(name, text)| (name.clone(), value(text))).collect();
        Caller::of(&headers, &Ids::new())
    }

    #[test]
    fn the_id_is_the_callers_if_it_is_fit_to_print() {
        let parent = format!("00-{TRACE}-{SPAN}-01");
        let both = caller(&[(REQUEST_ID, "Root=1-67891233:a/b+c_d.e"), (TRACEPARENT, &parent)]);
        assert_eq!((&*both.id, both.trace.id.as_str()), ("Root=1-67891233:a/b+c_d.e", TRACE));
        assert_eq!(both.trace.parent, Some((SPAN.to_owned(), true)));
        assert_eq!(&*caller(&[(TRACEPARENT, &parent)]).id, TRACE);
        let long = "x".repeat(MAX_REQUEST_ID_BYTES + 1);
        for bad in ["", "a b", "a\tb", "<script>", "a,b", "ä", "a\u{80}b", &long] {
            let made = caller(&[(REQUEST_ID, bad)]);
            assert_eq!(&*made.id, made.trace.id, "{bad:?} was taken");
        }
        assert_eq!(caller(&[(REQUEST_ID, &long[1..])]).id.len(), MAX_REQUEST_ID_BYTES);
    }

    #[test]
    fn ids_that_are_made_differ_and_are_trace_ids() {
        let ids = Ids::new();
        let made: std::collections::HashSet<String> = (0..1_000).map(|_| ids.trace_id()).collect();
        assert_eq!(made.len(), 1_000);
        for id in made {
            assert!(traceparent(format!("00-{id}-{SPAN}-00").as_bytes()).is_some(), "{id}");
        }
    }

    #[test]
    fn a_traceparent_has_one_form() {
        let parsed = |text: &str| traceparent(text.as_bytes());
        assert!(!parsed(&format!("00-{TRACE}-{SPAN}-00")).unwrap().parent.unwrap().1);
        assert!(parsed(&format!("01-{TRACE}-{SPAN}-03-later")).unwrap().parent.unwrap().1);
        for bad in [
            String::new(),
            format!("00-{TRACE}-{SPAN}"),
            format!("00-{TRACE}-{SPAN}-01-more"),
            format!("ff-{TRACE}-{SPAN}-01"),
            format!("00-{}-{SPAN}-01", TRACE.to_uppercase()),
            format!("00-{}-{SPAN}-01", "0".repeat(32)),
            format!("00-{TRACE}-{}-01", "0".repeat(16)),
            format!("00-{TRACE}-{SPAN}0-1"),
            format!("00-{TRACE}-{SPAN}-zz"),
        ] {
            assert_eq!(parsed(&bad), None, "{bad}");
        }
    }

    proptest! {
        #[test]
        fn no_header_panics_or_gets_into_a_response_unchecked(value in prop::collection::vec(0x20..=0xff_u8, 0..300)) {
            let Ok(value) = HeaderValue::from_bytes(&value) else { return Ok(()) };
            let headers = HeaderMap::from_iter([(REQUEST_ID, value.clone()), (TRACEPARENT, value)]);
            let id = Caller::of(&headers, &Ids::new()).header();
            prop_assert!(id.len() <= MAX_REQUEST_ID_BYTES && id.to_str().is_ok());
        }
    }
}
