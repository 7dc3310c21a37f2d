//! JSON that is deep, huge, ambiguous or wrong, for the log's and the collector's endpoints; and notes that enrol gateways.

use vouchlog_note::SignatureType;
use vouchlog_sequencer::testing::{TestGateway, key};

use super::http1::{Expect, raw};
use crate::attack::{Attack, Context, Observation, Target};
use crate::wire::exchange;

const CLASS: &str = "json";
/// A body that cannot be taken.
const BAD: Expect = Expect::Status(&[400, 403, 413, 415, 422]);

pub(super) fn attacks() -> Vec<Attack> {
    let mut all = statements();
    all.extend(telemetry());
    all.extend(notes());
    all
}

fn post(path: &str, media: &str, body: &[u8]) -> Vec<u8> {
    let head = format!(
        "POST {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Type: {media}\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    [head.as_bytes(), body].concat()
}

fn statement(kind: &str, evidence: &str, more: &str) -> String {
    format!(r#"{{"kind":{kind},"digest":"{}","evidence":{evidence}{more}}}"#, "07".repeat(32))
}

fn statements() -> Vec<Attack> {
    let many = vec![statement(r#""opaque""#, "0", ""); 1_025].join(",");
    let cases: [(&str, String); 15] = [
        ("a hundred thousand brackets", "[".repeat(100_000)),
        ("a hundred thousand objects", r#"{"a":"#.repeat(80_000)),
        ("a number of 400,000 digits", statement(r#""opaque""#, &"9".repeat(400_000), "")),
        ("a number 1e999999999", statement(r#""opaque""#, "1e999999999", "")),
        ("evidence -1", statement(r#""opaque""#, "-1", "")),
        ("evidence 2^32", statement(r#""opaque""#, "4294967296", "")),
        ("duplicate keys", statement(r#""opaque""#, "0", r#","kind":"opaque""#)),
        ("an unknown field", statement(r#""opaque""#, "0", r#","stream":0"#)),
        ("a kind with a lone surrogate", statement(r#""\ud800""#, "0", "")),
        ("NaN", statement(r#""opaque""#, "NaN", "")),
        ("a byte-order mark", format!("\u{feff}{}", statement(r#""opaque""#, "0", ""))),
        ("no statements", "[]".to_owned()),
        ("1,025 statements", format!("[{many}]")),
        ("half a megabyte of spaces and no end", format!("[{}", " ".repeat(500_000))),
        ("NUL between the members", statement(r#""opaque""#, "0", "\0")),
    ];
    let attack = |(name, body): (&str, String)| {
        raw(CLASS, (name, Target::Log), post("/v1/statements", "application/json", body.as_bytes()), BAD)
    };
    cases.into_iter().map(attack).collect()
}

/// As [`raw`], sent by an emitter with a token.
fn emitted(name: &str, path: &'static str, media: &'static str, body: Vec<u8>) -> Attack {
    Attack::repeated(CLASS, format!("{CLASS}: {name}"), Target::Collector, move |context: Context| {
        let token = context.token.clone().unwrap_or_default();
        let head = format!(
            "POST {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Type: {media}\r\n\
             Authorization: Bearer {token}\r\nContent-Length: {}\r\n\r\n",
            body.len()
        );
        let bytes = [head.as_bytes(), &body].concat();
        async move {
            let answer = exchange(context.to, &bytes).await.unwrap_or_default();
            let statuses = answer.statuses();
            // OTLP: a bad item costs only itself, and is counted in the answer.
            let is_partly_refused = path.starts_with("/v1/traces") || path.starts_with("/v1/logs");
            let is_right = matches!(statuses.as_slice(), [400 | 413 | 415 | 422])
                || is_partly_refused && statuses == [200];
            let complaint =
                (!is_right).then(|| format!("it answered {statuses:?}, not an error of the client's"));
            Ok(Observation::sent(1_u64).with(complaint))
        }
    })
}

/// A protobuf field: tag, length as a varint, contents.
fn field(tag: u8, contents: &[u8]) -> Vec<u8> {
    let mut bytes = vec![tag];
    let mut rest = contents.len();
    while rest >= 128 {
        bytes.push(u8::try_from(rest % 128).unwrap_or_default() | 0x80);
        rest /= 128;
    }
    bytes.push(u8::try_from(rest).unwrap_or_default());
    bytes.extend(contents);
    bytes
}

/// A trace export whose resource has an attribute that nests: AnyValue.array_value (5) of ArrayValue.values (1), as OTLP draws them.
fn nested(depth: usize) -> Vec<u8> {
    let value = (0..depth)
        .fold(field(0x0a, &[]), |inner, level| field(if level % 2 == 0 { 0x2a } else { 0x0a }, &inner));
    // ExportTraceServiceRequest.resource_spans.resource.attributes.value
    field(0x0a, &field(0x0a, &field(0x0a, &field(0x12, &value))))
}

fn telemetry() -> Vec<Attack> {
    const JSON: &str = "application/json";
    const PROTOBUF: &str = "application/x-protobuf";
    let deep = format!(r#"{{"resourceSpans":{}"#, "[".repeat(100_000));
    let wide = format!(r#"{{"resourceSpans":{}"#, "9".repeat(1 << 20));
    vec![
        emitted("spans with a hundred thousand brackets", "/v1/traces", JSON, deep.into_bytes()),
        emitted("spans that are a number of a megabyte", "/v1/traces", JSON, wide.into_bytes()),
        emitted("spans that are no JSON", "/v1/traces", JSON, b"\xff\xfe\x00".to_vec()),
        emitted("spans of unknown media", "/v1/traces", "text/html", b"<p>".to_vec()),
        emitted("protobuf nested two thousand deep", "/v1/traces", PROTOBUF, nested(2_000)),
        emitted("protobuf that ends early", "/v1/traces", PROTOBUF, vec![0x0a, 0x7f, 0x01]),
        emitted("protobuf with a varint of eleven bytes", "/v1/traces", PROTOBUF, vec![0xff; 11]),
        emitted(
            "protobuf with text that is no UTF-8",
            "/v1/logs",
            PROTOBUF,
            vec![0x0a, 0x03, 0x1a, 0x01, 0xff],
        ),
        emitted(
            "an intent with a hundred thousand brackets",
            "/v1/intents",
            JSON,
            "[".repeat(100_000).into_bytes(),
        ),
        emitted("a record with 600 members", "/v1/records", JSON, members(600)),
        emitted(
            "a record that names its own issuer",
            "/v1/records",
            JSON,
            br#"{"kind":"interaction","iss":"somebody","cnf":{}}"#.to_vec(),
        ),
        emitted(
            "an intent that is another kind",
            "/v1/intents",
            JSON,
            br#"{"kind":"session-seal"}"#.to_vec(),
        ),
        emitted("a policy decision that is a number", "/logs", JSON, b"7".to_vec()),
        emitted("a body of 17 MiB", "/v1/records", JSON, vec![b' '; 17 << 20]),
    ]
}

fn members(count: usize) -> Vec<u8> {
    let members: Vec<String> = (0..count).map(|number| format!(r#""m{number}":1"#)).collect();
    format!(r#"{{"kind":"interaction",{}}}"#, members.join(",")).into_bytes()
}

/// Notes that enrol and revoke, none of them signed by the operator.
fn notes() -> Vec<Attack> {
    let honest = TestGateway::enrolment(77);
    let operator = key("operator.example.com", SignatureType::Ed25519, 66).verifying_key().clone();
    let signature = honest.lines().last().unwrap_or_default();
    let cases: [(&str, String); 11] = [
        ("an empty note", String::new()),
        ("a note without a signature", "vouchlog/v1 enrol\n\n".to_owned()),
        ("a note with a line of a megabyte", format!("{}\n\n{signature}\n", "a".repeat(1 << 20))),
        (
            "a note with ten thousand signatures",
            format!("vouchlog/v1 enrol\n\n{}", format!("{signature}\n").repeat(10_000)),
        ),
        (
            "a note with another text under the operator's signature",
            honest.replace("gateway-77", "gateway-78"),
        ),
        (
            "a note with an override of direction in the name",
            honest.replace("gateway-77", "gateway\u{202e}77"),
        ),
        ("a note with a zero-width space in the name", honest.replace("gateway-77", "gateway\u{200b}-77")),
        ("a note with an escape in the name", honest.replace("gateway-77", "\u{1b}[2J")),
        (
            "a note whose signature is no base64",
            honest.replace(signature, "\u{2014} operator.example.com !!!"),
        ),
        (
            "a note by another operator",
            format!("{}\n\u{2014} {} AAAA\n", honest.replace(signature, ""), operator.name()),
        ),
        ("a note that is no UTF-8", "\u{fffd}".repeat(100)),
    ];
    let mut all = Vec::new();
    for (name, note) in cases {
        for (of, path) in [("enrols", "/v1/gateways"), ("revokes", "/v1/revocations")] {
            let bytes = post(path, "text/plain", note.as_bytes());
            all.push(raw("enrolment", (&format!("{name} {of}"), Target::Log), bytes, BAD));
        }
    }
    all
}
