//! HTTP/1.1 as no client should write it: smuggling, chunks, heads, methods, versions, and paths that lead elsewhere.

use std::borrow::Cow;

use anyhow::Result;

use crate::attack::{Attack, Context, Observation, Target};
use crate::wire::exchange;

/// What must become of an input.
#[derive(Clone, Copy, Debug)]
pub(super) enum Expect {
    /// One of these statuses, in one answer.
    Status(&'static [u16]),
    /// No success: an error of the client's, or the connection is closed, or the rest of the request is waited for.
    Refused,
    /// At most one answer, whatever it is: what follows in the body is no request.
    OneAnswer,
}

impl Expect {
    /// What is wrong with these answers, in order.
    fn complaint(self, statuses: &[u16]) -> Option<String> {
        let wrong = match self {
            Self::Status(expected) => {
                statuses.len() != 1 || statuses.iter().any(|status| !expected.contains(status))
            }
            Self::Refused => statuses.iter().any(|status| (200..400).contains(status)),
            Self::OneAnswer => statuses.len() > 1,
        };
        let is_our_fault = statuses.contains(&500);
        (wrong || is_our_fault).then(|| format!("it answered {statuses:?}, not {self:?}"))
    }
}

/// A raw input over HTTP/1.1.
pub(super) fn raw(
    class: &'static str,
    (name, target): (&str, Target),
    bytes: impl Into<Cow<'static, [u8]>>,
    expect: Expect,
) -> Attack {
    let bytes = bytes.into();
    Attack::repeated(class, format!("{class}: {name}"), target, move |context: Context| {
        let bytes = bytes.clone();
        async move { sent(&context, &bytes, expect).await }
    })
}

async fn sent(context: &Context, bytes: &[u8], expect: Expect) -> Result<Observation> {
    // A full backlog or a reset is the attacker's loss.
    let answer = exchange(context.to, bytes).await.unwrap_or_default();
    Ok(Observation::sent(1_u64).with(expect.complaint(&answer.statuses())))
}

/// `POST /add` with these further header lines and this body.
fn post(lines: &str, body: &str) -> Vec<u8> {
    format!("POST /add HTTP/1.1\r\nHost: localhost\r\n{lines}\r\n{body}").into_bytes()
}

const CLASS: &str = "http1";
const BAD: Expect = Expect::Refused;
const LOG: Target = Target::Log;

pub(super) fn attacks() -> Vec<Attack> {
    let mut all = smuggled();
    all.extend(chunks());
    all.extend(heads());
    all.extend(paths());
    all
}

/// Two ways to tell where a body ends, which a proxy and a server might choose differently (RFC 9112 section 6).
fn smuggled() -> Vec<Attack> {
    const HIDDEN: &str = "0\r\n\r\nGET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n";
    let cases: [(&str, Vec<u8>, Expect); 12] = [
        (
            "length and chunks",
            post("Content-Length: 48\r\nTransfer-Encoding: chunked\r\n", HIDDEN),
            Expect::OneAnswer,
        ),
        (
            "chunks and length",
            post("Transfer-Encoding: chunked\r\nContent-Length: 48\r\n", HIDDEN),
            Expect::OneAnswer,
        ),
        ("two lengths", post("Content-Length: 0\r\nContent-Length: 44\r\n", HIDDEN), BAD),
        ("two lengths in a list", post("Content-Length: 0, 44\r\n", HIDDEN), BAD),
        ("a negative length", post("Content-Length: -1\r\n", "x"), BAD),
        ("a length with a sign", post("Content-Length: +1\r\n", "x"), BAD),
        ("a length of 2^64", post("Content-Length: 18446744073709551616\r\n", "x"), BAD),
        ("a length in hex", post("Content-Length: 0x1\r\n", "x"), BAD),
        ("chunked twice", post("Transfer-Encoding: chunked, chunked\r\n", HIDDEN), Expect::OneAnswer),
        ("chunked, then identity", post("Transfer-Encoding: chunked, identity\r\n", HIDDEN), BAD),
        ("chunked behind a tab and an x", post("Transfer-Encoding:\tchunkedx\r\n", HIDDEN), BAD),
        ("a space before the colon", post("Transfer-Encoding : chunked\r\n", HIDDEN), BAD),
    ];
    cases.map(|(name, bytes, expect)| raw(CLASS, (name, LOG), bytes, expect)).to_vec()
}

fn chunks() -> Vec<Attack> {
    let chunked = |body: &str| post("Transfer-Encoding: chunked\r\n", body);
    let cases: [(&str, Vec<u8>); 10] = [
        ("a chunk of 2^64 bytes", chunked("10000000000000000\r\nx")),
        ("a chunk of ffffffffffffffff bytes", chunked("ffffffffffffffff\r\nx")),
        ("a chunk without a size", chunked("\r\nx\r\n0\r\n\r\n")),
        ("a chunk with a negative size", chunked("-1\r\nx\r\n0\r\n\r\n")),
        ("a chunk longer than it says", chunked("1\r\nxyz\r\n0\r\n\r\n")),
        ("a chunk size of a megabyte of zeros", chunked(&format!("{}1\r\nx\r\n", "0".repeat(1 << 20)))),
        ("a chunk extension of a megabyte", chunked(&format!("1;{}\r\nx\r\n0\r\n\r\n", "e".repeat(1 << 20)))),
        ("trailers of a megabyte", chunked(&format!("1\r\nx\r\n0\r\nT: {}\r\n\r\n", "t".repeat(1 << 20)))),
        ("ten thousand trailers", chunked(&format!("1\r\nx\r\n0\r\n{}\r\n", "t: 1\r\n".repeat(10_000)))),
        ("a body in a million chunks", chunked(&"1\r\nx\r\n".repeat(1_000_000))),
    ];
    cases.map(|(name, bytes)| raw(CLASS, (name, LOG), bytes, BAD)).to_vec()
}

fn heads() -> Vec<Attack> {
    let get = |lines: &str| format!("GET /checkpoint HTTP/1.1\r\n{lines}\r\n").into_bytes();
    let cases: [(&str, Vec<u8>); 18] = [
        ("a header of a megabyte", get(&format!("Host: l\r\nX: {}\r\n", "x".repeat(1 << 20)))),
        ("ten thousand headers", get(&format!("Host: l\r\n{}", "X: y\r\n".repeat(10_000)))),
        (
            "a request line of a megabyte",
            format!("GET /{} HTTP/1.1\r\n\r\n", "a".repeat(1 << 20)).into_bytes(),
        ),
        ("a method of 64 KiB", format!("{} / HTTP/1.1\r\n\r\n", "M".repeat(1 << 16)).into_bytes()),
        ("NUL in a header", get("Host: l\r\nX: a\0b\r\n")),
        ("NUL in the method", b"GE\0T / HTTP/1.1\r\nHost: l\r\n\r\n".to_vec()),
        ("a carriage return in a header", get("Host: l\r\nX: a\rb\r\n")),
        ("a header without a colon", get("Host l\r\n")),
        ("a header without a name", get(": l\r\n")),
        ("a folded header", get("Host: l\r\nX: a\r\n b\r\n")),
        ("HTTP/3.0 in text", b"GET / HTTP/3.0\r\nHost: l\r\n\r\n".to_vec()),
        ("HTTP/0.9", b"GET /checkpoint\r\n".to_vec()),
        ("a TLS greeting", [&[22, 3, 1, 2, 0, 1, 0, 1, 252, 3, 3][..], &[0; 500]].concat()),
        ("random bytes", (0..4_096_u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8).collect()),
        ("empty lines for a megabyte", b"\r\n".repeat(1 << 19)),
        ("CONNECT", b"CONNECT 127.0.0.1:22 HTTP/1.1\r\nHost: 127.0.0.1:22\r\n\r\n".to_vec()),
        ("TRACE", b"TRACE / HTTP/1.1\r\nHost: l\r\n\r\n".to_vec()),
        (
            "a target at another host",
            b"GET http://127.0.0.1:22/ HTTP/1.1\r\nHost: 127.0.0.1:22\r\nConnection: close\r\n\r\n".to_vec(),
        ),
    ];
    // The last asks for the front page of whatever serves here, and may get no more than that.
    let last = cases.len() - 1;
    let attack = |(at, (name, bytes))| {
        let expect = if at == last { Expect::OneAnswer } else { BAD };
        raw(CLASS, (name, LOG), bytes, expect)
    };
    cases.into_iter().enumerate().map(attack).collect()
}

fn paths() -> Vec<Attack> {
    let cases: [&str; 17] = [
        "/../log.key",
        "/tile/../../log.key",
        "/tile/..%2f..%2flog.key",
        "/%2e%2e/%2e%2e/log.key",
        "/tile/entries/..%5c..%5clog.key",
        "/tile/0/x000/..%252f..%252flog.key",
        "/tile/0/000%00.p/1",
        "/%c0%ae%c0%ae/log.key",
        "/tile/0/%ff%fe",
        "/tile/99999999999999999999/000",
        "/tile/0/x999/x999/x999/x999/x999/x999/x999/999",
        "/tile/0/000.p/0",
        "/tile/0/000.p/257",
        "/tile/-1/000",
        "/v1/receipts/18446744073709551616",
        "/v1/entries?start=18446744073709551615&count=18446744073709551615",
        "/v1/streams/../../log.key",
    ];
    let attack = |path: &str| {
        let bytes =
            format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").into_bytes();
        raw(CLASS, (&format!("path {path}"), LOG), bytes, Expect::Status(&[400, 404, 416, 422]))
    };
    cases.map(attack).to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_judged_by_what_is_expected() {
        assert_eq!(Expect::Refused.complaint(&[400]), None);
        assert_eq!(Expect::Refused.complaint(&[]), None);
        assert!(Expect::Refused.complaint(&[200]).is_some());
        assert!(Expect::Refused.complaint(&[500]).is_some(), "an error of our own is no refusal");
        assert!(Expect::OneAnswer.complaint(&[200, 200]).is_some());
        assert!(Expect::Status(&[404]).complaint(&[]).is_some());
        assert_eq!(Expect::Status(&[404]).complaint(&[404]), None);
    }
}
