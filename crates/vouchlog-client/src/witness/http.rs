//! A witness over HTTP (C2SP tlog-witness), as it is deployed: statuses to errors, and answers that are bounded.
//!
//! ```text
//! 200                       the signature lines
//! 400, 413                  invalid argument
//! 401, 403                  permission denied
//! 404                       not found
//! 409, text/x.tlog.size     conflict, with the size in the body
//! 409, no number in it      inconsistent: what servers before July 2026 say of another root for the same size
//! 410                       retired: the log has ended
//! 422                       inconsistent
//! 429                       overloaded, with the time in `retry-after`
//! 5xx, or no answer         unavailable
//! any other                 internal: that is no witness
//! ```

use std::time::Duration;

use reqwest::header::{CONTENT_TYPE, HeaderMap, RETRY_AFTER};
use reqwest::redirect::Policy;
use reqwest::{Client, RequestBuilder, StatusCode, Url};
use vouchlog_api::{Error, ErrorKind, Result, Witness};
use vouchlog_merkle::Hash;
use vouchlog_note::limits::MAX_TREE_SIZE;
use vouchlog_note::{AddCheckpoint, SignSubtree};
use vouchlog_outbound::root_cause;
use vouchlog_proto::limits::MAX_WITNESS_RESPONSE_BYTES;

use super::{WitnessOptions, parse_url};
use crate::USER_AGENT;
use crate::limits::{CONNECT_TIMEOUT, MAX_WITNESS_PAUSE, RETRY_AFTER as DEFAULT_RETRY_AFTER, WITNESS_IDLE};

/// SPEC: tlog-witness: the type of a body that is the size of the latest cosigned checkpoint in decimal, then LF.
const SIZE_TYPE: &str = "text/x.tlog.size";

/// Characters of a witness's own words that go into an error.
const MAX_WORDS: usize = 200;

/// A witness across the network that speaks C2SP tlog-witness. Clones share its connections, which are kept alive.
///
/// The lines it answers are not verified: the caller has the keys. It asks once and follows no redirects: when to try again is
/// for the caller to know.
#[derive(Clone, Debug)]
pub struct HttpWitness {
    client: Client,
    prefix: Url,
}

impl HttpWitness {
    /// The witness whose submission prefix this is, an `http://` or `https://` URL. Its monitoring prefix is thought to be the
    /// same. Nothing is sent yet.
    ///
    /// # Errors
    /// [`InvalidArgument`](ErrorKind::InvalidArgument) for a URL or certificate that cannot be used.
    pub fn new(submission_prefix: &str, options: &WitnessOptions) -> Result<Self> {
        let mut prefix = parse_url(submission_prefix, ["http", "https"], &options.security)?;
        if !prefix.path().ends_with('/') {
            prefix.set_path(&format!("{}/", prefix.path()));
        }
        let builder = Client::builder()
            .user_agent(USER_AGENT)
            .connect_timeout(CONNECT_TIMEOUT.min(options.timeout))
            .timeout(options.timeout)
            .pool_idle_timeout(WITNESS_IDLE)
            .redirect(Policy::none());
        let refused = |error: reqwest::Error| Error::invalid(root_cause(&error));
        let builder = options.security.apply(builder).map_err(|error| Error::invalid(error.to_string()))?;
        Ok(Self { client: builder.build().map_err(refused)?, prefix })
    }

    async fn post(&self, path: &str, body: String) -> Result<String> {
        self.ask(self.client.post(self.url(path)?).body(body)).await
    }

    fn url(&self, path: &str) -> Result<Url> {
        self.prefix.join(path).map_err(|error| Error::internal(error.to_string()))
    }

    async fn ask(&self, request: RequestBuilder) -> Result<String> {
        let lost = |error: reqwest::Error| self.lost(&error);
        let mut response = request.send().await.map_err(lost)?;
        let (status, headers) = (response.status(), response.headers().clone());
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(lost)? {
            if body.len() + chunk.len() > MAX_WITNESS_RESPONSE_BYTES {
                let limit = MAX_WITNESS_RESPONSE_BYTES;
                return Err(self.error(
                    ErrorKind::Internal,
                    &format!("it returned {status} with more than {limit} bytes"),
                ));
            }
            body.extend_from_slice(&chunk);
        }
        if status == StatusCode::OK {
            let no_text = |_| self.error(ErrorKind::Internal, "it returned bytes that are not UTF-8");
            return String::from_utf8(body).map_err(no_text);
        }
        let kind = kind(status, &headers, &body);
        Err(self.error(kind, &format!("it returned {status}{}", words(&body))))
    }

    /// The connection could not be made, or was lost, or nothing came in time. The cause alone: a request's error names its URL.
    fn lost(&self, error: &reqwest::Error) -> Error {
        let cause = if error.is_timeout() { "the request timed out".to_owned() } else { root_cause(error) };
        self.error(ErrorKind::Unavailable, &cause)
    }

    fn error(&self, kind: ErrorKind, what: &str) -> Error {
        Error::new(kind, format!("the witness at {}: {what}", self.prefix))
    }
}

impl Witness for HttpWitness {
    async fn add_checkpoint(&self, request: AddCheckpoint) -> Result<String> {
        self.post("add-checkpoint", request.to_text()).await
    }

    async fn sign_subtree(&self, request: SignSubtree) -> Result<String> {
        self.post("sign-subtree", request.to_string()).await
    }

    async fn latest_checkpoint(&self, origin: Hash) -> Result<String> {
        self.ask(self.client.get(self.url(&format!("{origin}/checkpoint"))?)).await
    }

    async fn retire_log(&self, proof: String) -> Result<String> {
        self.post("retire-log", proof).await
    }
}

/// What a status other than 200 means.
fn kind(status: StatusCode, headers: &HeaderMap, body: &[u8]) -> ErrorKind {
    match status {
        StatusCode::BAD_REQUEST | StatusCode::PAYLOAD_TOO_LARGE => ErrorKind::InvalidArgument,
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => ErrorKind::PermissionDenied,
        StatusCode::NOT_FOUND => ErrorKind::NotFound,
        StatusCode::GONE => ErrorKind::Retired,
        StatusCode::UNPROCESSABLE_ENTITY => ErrorKind::Inconsistent,
        StatusCode::TOO_MANY_REQUESTS => ErrorKind::Overloaded { retry_after: retry_after(headers) },
        StatusCode::CONFLICT => match size(body) {
            Some(size) if is_size(headers) => ErrorKind::Conflict { size },
            // A number of an unknown content type is neither acted upon nor an accusation.
            Some(_) => ErrorKind::Internal,
            None => ErrorKind::Inconsistent,
        },
        _ if status.is_server_error() => ErrorKind::Unavailable,
        _ => ErrorKind::Internal,
    }
}

/// A size in decimal. White space around it is forgiven.
fn size(body: &[u8]) -> Option<u64> {
    let digits = str::from_utf8(body.trim_ascii()).ok()?;
    let size = digits.bytes().all(|byte| byte.is_ascii_digit()).then(|| digits.parse().ok())??;
    (size <= MAX_TREE_SIZE).then_some(size)
}

/// Whether the body is said to be a size, with whatever parameters.
fn is_size(headers: &HeaderMap) -> bool {
    let value = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    value.split(';').next().unwrap_or_default().trim().eq_ignore_ascii_case(SIZE_TYPE)
}

/// How long the witness wants to be left alone, in the form that is a number of seconds; within reason.
fn retry_after(headers: &HeaderMap) -> Duration {
    let seconds = headers.get(RETRY_AFTER).and_then(|value| value.to_str().ok());
    let seconds = seconds.map(str::trim).filter(|seconds| seconds.bytes().all(|byte| byte.is_ascii_digit()));
    match seconds {
        None | Some("") => DEFAULT_RETRY_AFTER,
        // What does not fit 64 bits is a long time too.
        Some(seconds) => Duration::from_secs(seconds.parse().unwrap_or(u64::MAX)).min(MAX_WITNESS_PAUSE),
    }
}

/// What the witness says of it, as far as it can be shown in a line.
fn words(body: &[u8]) -> String {
    let text = String::from_utf8_lossy(&body[..body.len().min(4 * MAX_WORDS)]);
    let line = text.trim().lines().next().unwrap_or_default();
    let line: String = line.chars().filter(|character| !character.is_control()).take(MAX_WORDS).collect();
    if line.is_empty() { line } else { format!(": {line}") }
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;
    use reqwest::header::HeaderValue;

    use super::*;

    fn headers(pairs: &[(reqwest::header::HeaderName, &str)]) -> HeaderMap {
        pairs.iter().map(|(name, value)| (name.clone(), value.parse().unwrap())).collect()
    }

    #[test]
    fn every_status_has_its_kind() {
        let none = HeaderMap::new();
        for (status, expected) in [
            (201, ErrorKind::Internal),
            (204, ErrorKind::Internal),
            (302, ErrorKind::Internal),
            (304, ErrorKind::Internal),
            (400, ErrorKind::InvalidArgument),
            (401, ErrorKind::PermissionDenied),
            (403, ErrorKind::PermissionDenied),
            (404, ErrorKind::NotFound),
            (405, ErrorKind::Internal),
            (409, ErrorKind::Inconsistent),
            (410, ErrorKind::Retired),
            (413, ErrorKind::InvalidArgument),
            (418, ErrorKind::Internal),
            (422, ErrorKind::Inconsistent),
            (429, ErrorKind::Overloaded { retry_after: DEFAULT_RETRY_AFTER }),
            (500, ErrorKind::Unavailable),
            (502, ErrorKind::Unavailable),
            (503, ErrorKind::Unavailable),
            (504, ErrorKind::Unavailable),
            (599, ErrorKind::Unavailable),
            (999, ErrorKind::Internal),
        ] {
            assert_eq!(kind(StatusCode::from_u16(status).unwrap(), &none, b""), expected, "{status}");
        }
    }

    #[test]
    fn a_conflict_needs_a_size_of_the_right_type() {
        let check = |content_type: &str, body: &[u8], expected: ErrorKind| {
            let headers = headers(&[(CONTENT_TYPE, content_type)]);
            let found = kind(StatusCode::CONFLICT, &headers, body);
            assert_eq!(found, expected, "{content_type} {}", String::from_utf8_lossy(body));
        };
        let most = MAX_TREE_SIZE;
        for content_type in [SIZE_TYPE, "Text/X.Tlog.Size", "text/x.tlog.size; charset=utf-8"] {
            check(content_type, b"20852163\n", ErrorKind::Conflict { size: 20_852_163 });
            check(content_type, b"0", ErrorKind::Conflict { size: 0 });
            check(content_type, b" 7\r\n", ErrorKind::Conflict { size: 7 });
            check(content_type, most.to_string().as_bytes(), ErrorKind::Conflict { size: most });
        }
        let over = (MAX_TREE_SIZE + 1).to_string();
        for body in
            [&b""[..], b"\n", b"-1\n", b"+1\n", b"1 2", b"0x10", b"1e3", b"seven", b"\xff", over.as_bytes()]
        {
            check(SIZE_TYPE, body, ErrorKind::Inconsistent);
            check("text/plain", body, ErrorKind::Inconsistent);
        }
        for content_type in ["text/plain; charset=utf-8", "text/x.tlog.size2", ""] {
            check(content_type, b"7\n", ErrorKind::Internal);
        }
    }

    #[test]
    fn pauses_are_within_reason() {
        let check = |value: &str, expected: Duration| {
            assert_eq!(retry_after(&headers(&[(RETRY_AFTER, value)])), expected, "{value}");
        };
        check("0", Duration::ZERO);
        check("7", Duration::from_secs(7));
        check(" 7 ", Duration::from_secs(7));
        check("86400000", MAX_WITNESS_PAUSE);
        check("99999999999999999999999999", MAX_WITNESS_PAUSE);
        for nonsense in ["", "-1", "1.5", "soon", "Wed, 21 Oct 2026 07:28:00 GMT"] {
            check(nonsense, DEFAULT_RETRY_AFTER);
        }
        let opaque = HeaderMap::from_iter([(RETRY_AFTER, HeaderValue::from_bytes(b"\xff").unwrap())]);
        assert_eq!(retry_after(&opaque), DEFAULT_RETRY_AFTER);
    }

    proptest! {
        #[test]
        fn any_answer_is_taken(
            status in 100_u16..1000,
            content_type in "[ -~]{0,30}",
            wait in "[ -~]{0,30}",
            body in vec(any::<u8>(), 0..1000),
        ) {
            let headers = headers(&[(CONTENT_TYPE, content_type.as_str()), (RETRY_AFTER, wait.as_str())]);
            let status = StatusCode::from_u16(status).unwrap();
            if let ErrorKind::Overloaded { retry_after } = kind(status, &headers, &body) {
                prop_assert!(retry_after <= MAX_WITNESS_PAUSE);
            }
            let words = words(&body);
            prop_assert!(words.chars().count() <= MAX_WORDS + 2, "{words}");
            prop_assert!(!words.contains(char::is_control), "{words:?}");
        }

        #[test]
        fn sizes_come_back(expected in 0..=MAX_TREE_SIZE) {
            prop_assert_eq!(size(format!("{expected}\n").as_bytes()), Some(expected));
        }
    }
}
